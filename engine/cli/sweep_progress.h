// Progress of a sweep on stderr.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "engine/sweep/sweep.h"

namespace flsim {

/// "bar": a line for each running trial and one for all, redrawn; "plain": a line for each trial
/// that ends and now and then one for all; "none": nothing. `total`: trials of this process, of
/// which `done` are done; `seconds`: what the remaining ones are expected to take.
std::unique_ptr<SweepObserver> MakeSweepProgress(const std::string& kind, int64_t total,
                                                 int64_t done, double seconds);

}  // namespace flsim
