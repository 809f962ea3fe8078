// How a sweep's trials are spread over the cores, and what it will take.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "engine/experiment/experiment.h"

namespace flsim {

/// What a trial costs on one worker.
struct TrialCost {
  double start_s = 0;   ///< partition, replicas
  double rounds_s = 0;  ///< all of its rounds, evaluations included
  int64_t bytes = 0;    ///< of memory, beside the data
};

/// Trains some clients of the first round of an experiment, which is loaded from `data`, evaluates
/// a part of the test set and one client, and scales that up. Takes as long as one client's
/// training and evaluation, and up to some tenths of a second more.
TrialCost MeasureTrial(Experiment& experiment, LoadedData& data, const std::atomic<bool>& stop);

struct SweepPlan {
  int parallel = 1;  ///< trials at the same time
  int workers = 1;   ///< of each
  double seconds = 0;
  int64_t bytes = 0;
  int cores = 1;  ///< that the last trials to begin share, when there are fewer than `parallel`
};

/// The number of trials side by side that ends the sweep soonest among those that fit into
/// `memory` bytes beside the first; where `parallel` is not 0, that number, and where
/// `wanted_workers` is not 0, so many workers each, the last ones, too. Trials of costs[i], in this
/// order, on `cores`.
SweepPlan PlanSweep(const std::vector<TrialCost>& costs, int cores, int64_t memory,
                    int parallel = 0, int wanted_workers = 0);

/// The most memory that this process has had so far, in bytes.
int64_t PeakMemory();
/// Bytes of memory that this machine has left.
int64_t AvailableMemory();

}  // namespace flsim
