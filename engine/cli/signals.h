// Signals that ask for an orderly end.
#pragma once

#include <atomic>

namespace flsim {

/// From now on the first SIGINT, SIGTERM or SIGHUP makes StopRequested() true; one that comes a
/// second or more later ends the process at once. A closed pipe ends nothing.
void StopOnSignals();

const std::atomic<bool>& StopRequested();

}  // namespace flsim
