// flsim --config F: the run itself.
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <iostream>

#include "engine/cli/commands.h"
#include "engine/cli/progress.h"
#include "engine/cli/summary.h"
#include "engine/experiment/run.h"

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
  if (!g_stop.exchange(true)) {
    g_stopped_at_ms = now;
  } else if (now - g_stopped_at_ms >= 1000) {
    std::signal(signal, SIG_DFL);
    std::raise(signal);
  }
}

ExistingRun Existing(const RunFlags& flags) {
  if (flags.resume) return ExistingRun::kResume;
  return flags.force ? ExistingRun::kReplace : ExistingRun::kRefuse;
}

}  // namespace

int RunCommand(const RunFlags& flags) {
  Experiment experiment = Experiment::Read(flags.config.config, flags.config.set);
  const ExperimentConfig& config = experiment.config();
  RunFolder folder(flags.out.empty() ? config.output.dir + "/" + config.name : flags.out,
                   Existing(flags), experiment.resolved());
  const bool on_terminal = isatty(STDERR_FILENO) != 0;
  const std::string progress = !flags.progress.empty() ? flags.progress
                               : on_terminal           ? "bar"
                                                       : "plain";
  const bool quiet = progress == "none";

  if (!quiet) std::fprintf(stderr, "%s\n", Headline(experiment).c_str());
  experiment.Load();
  if (!quiet) std::fprintf(stderr, "%s\n", DataLine(experiment).c_str());

  std::signal(SIGINT, Stop);
  std::signal(SIGTERM, Stop);
  std::signal(SIGHUP, Stop);
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe ends the progress, not the run
  History history;
  std::vector<RecordSink*> sinks = {&history};
  auto console = MakeProgress(progress, config.rounds);
  if (console) sinks.push_back(console.get());
  const RunResult result = Run(experiment, folder, sinks, g_stop);
  console.reset();

  const RunSummary& summary = result.summary;
  if (!quiet) std::cout << ClosingText(experiment, result, history, folder.path()) << std::flush;
  if (summary.status == "interrupted") {
    const bool kept = std::filesystem::exists(folder.CheckpointFile());
    throw InterruptedError(summary.reason + (kept ? "; checkpoint written, go on with --resume"
                                                  : "; nothing was trained yet"));
  }
  if (summary.status == "diverged") throw DivergedError(summary.reason);
  return 0;
}

}  // namespace flsim
