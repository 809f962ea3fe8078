// What tests of comparisons share.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "tests/analysis/made_runs.h"

namespace flsim {

inline const std::pair<std::string, Json> kProx = {"strategy.name", "fedprox"};

/// The runs of a folder's sub-folders, in the order of their names.
inline std::vector<RecordedRun> RunsIn(const TempFolder& folder) {
  return ReadRuns({folder / "*"});
}

inline bool Has(const std::vector<std::string>& warnings, const std::string& warning) {
  return std::find(warnings.begin(), warnings.end(), warning) != warnings.end();
}

}  // namespace flsim
