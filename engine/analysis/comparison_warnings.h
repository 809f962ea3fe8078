// What a reader of a comparison should know before believing it.
#pragma once

#include <string>
#include <vector>

#include "engine/analysis/comparison.h"

namespace flsim {

/// Runs that are left out or diverged, too few seeds, other data, partitions or rounds, seconds of
/// different machines: one line each.
std::vector<std::string> WarningsOf(const Comparison& comparison);

}  // namespace flsim
