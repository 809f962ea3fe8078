// The run: rounds from the first to the last.
#pragma once

#include <atomic>
#include <limits>
#include <vector>

#include "engine/experiment/checkpoint.h"
#include "engine/experiment/experiment.h"
#include "engine/experiment/run_folder.h"

namespace flsim {

struct RunResult {
  RunSummary summary;
  ServerState state;
  int64_t first_round = 0;  ///< rounds that were done before (a resumed run)
};

/// Runs a loaded experiment to its end and writes the run folder. `sinks` see every record. When
/// `stop` becomes true the round in progress is abandoned, a checkpoint is written and the
/// summary's status is "interrupted"; when training diverges it is "diverged", and the model is
/// that of the last whole round, which may be one whose test loss is not finite: such a run stays
/// "diverged" when it is resumed. After round `until` it stops as if interrupted. Throws DataError when a file can't be written; the last
/// checkpoint stays.
RunResult Run(const Experiment& experiment, RunFolder& folder,
              const std::vector<RecordSink*>& sinks, const std::atomic<bool>& stop,
              int64_t until = std::numeric_limits<int64_t>::max());

}  // namespace flsim
