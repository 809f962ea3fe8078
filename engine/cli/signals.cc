#include "engine/cli/signals.h"

#include <csignal>
#include <cstdint>
#include <ctime>

namespace flsim {
namespace {

std::atomic<bool> g_stop{false};

int64_t Milliseconds() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1000000;
}

std::atomic<int64_t> g_stopped_at_ms{0};

/// The first signal asks for a checkpoint and an orderly end; one that comes a second or more later
/// ends the process at once. Sooner ones are the same wish: `timeout` and shells send it twice.
void Stop(int signal) {
  const int64_t now = Milliseconds();
  int64_t first = 0;
  if (g_stopped_at_ms.compare_exchange_strong(first, now)) {
    g_stop = true;
  } else if (now - first >= 1000) {
    std::signal(signal, SIG_DFL);
    std::raise(signal);
  }
}

}  // namespace

void StopOnSignals() {
  std::signal(SIGINT, Stop);
  std::signal(SIGTERM, Stop);
  std::signal(SIGHUP, Stop);
  std::signal(SIGPIPE, SIG_IGN);
}

const std::atomic<bool>& StopRequested() { return g_stop; }

}  // namespace flsim
