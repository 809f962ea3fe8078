// A comparison for readers and for programs.
#pragma once

#include <string>

#include "engine/analysis/comparison.h"
#include "engine/analysis/document.h"

namespace flsim {

/// The groups, what they took to the target, their differences to the baseline, how to read them,
/// and the warnings.
Document DocumentOf(const Comparison& comparison);

/// One row a group, with the same columns whatever is compared. Numbers have full precision; a
/// field is empty where there is no value, and where less than half of the seeds reach the target.
std::string CsvOf(const Comparison& comparison);

}  // namespace flsim
