// Runs a sweep's trials in one process.
#pragma once

#include <atomic>
#include <limits>
#include <string>
#include <vector>

#include "engine/experiment/record.h"
#include "engine/sweep/plan.h"
#include "engine/sweep/sweep_folder.h"

namespace flsim {

/// A round that no trial goes beyond.
constexpr int64_t kToTheEnd = std::numeric_limits<int64_t>::max();

/// Hears how a sweep goes on; one call at a time.
class SweepObserver {
 public:
  virtual ~SweepObserver() = default;
  /// A trial begins, or goes on, and will run to round `until`.
  virtual void Started(const Trial& trial, int64_t until) {}
  virtual void Round(const Trial& trial, const RoundRecord& record) {}
  /// It has ended, is dropped or has failed.
  virtual void Ended(const Trial& trial, const TrialState& state) {}
};

/// Builds every trial's experiment without reading data; returns what is legal but hardly meant.
/// Throws ConfigError naming the trials whose configs have problems, or don't fit the halving.
std::vector<std::string> CheckTrials(const Sweep& sweep);

/// The folder of a sweep whose trials have no problems, unless another is asked for.
std::string SweepDir(const Sweep& sweep);

/// What the trials cost that are still to be run, in their order: measured once for each
/// combination of model, data set, strategy and batch size. Throws InterruptedError.
std::vector<TrialCost> MeasureTrials(const std::vector<const Trial*>& trials, LoadedData& data,
                                     const std::atomic<bool>& stop);

/// The trials of a shard that are not settled.
std::vector<const Trial*> Remaining(const Sweep& sweep, const SweepFolder& folder,
                                    const Shard& shard);

/// Runs the remaining trials of a shard, `plan.parallel` at a time, each in its run folder; a trial
/// that has begun goes on from its checkpoint. One that fails is noted and the others go on; where
/// even that fails (the disk is full), the trials that run are run to their end and it is thrown.
/// When `stop` becomes true the running trials are checkpointed and InterruptedError is thrown.
/// With halving every trial runs to the first rung, then the better points to the next: which they
/// are does not depend on the order in which trials end.
void RunSweep(const Sweep& sweep, SweepFolder& folder, const Shard& shard, const SweepPlan& plan,
              LoadedData& data, SweepObserver& observer, const std::atomic<bool>& stop);

}  // namespace flsim
