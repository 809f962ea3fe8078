// Which runs may be compared seed by seed. Every random draw of a run is named by its seed and its
// purpose, so that two runs of one seed that differ in their strategy alone share their data,
// partition, cohorts, initial model and order of batches: common random numbers.
#pragma once

#include <string>

#include "engine/analysis/runs.h"

namespace flsim {

/// What two runs share, as their folders show.
struct InCommon {
  bool data = false;           ///< the data set and which client has which examples
  bool cohorts = false;        ///< of every round that both have
  bool initial_model = false;  ///< its first evaluation, or where there is none its config
};

/// Data are the same where both checkpoints note the same hash; where one has none, where the
/// configs draw them alike.
InCommon CommonOf(const RecordedRun& a, const RecordedRun& b);

/// "partition, cohorts, initial model".
std::string Show(const InCommon& common);

/// The settings below `block` in which two configs differ: "partition.alpha (0.1, 0.5)"; "" if they
/// are alike.
std::string BlockDifferences(const Json& a, const Json& b, const std::string& block);

}  // namespace flsim
