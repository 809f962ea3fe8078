// How a sweep's trials are spread over the cores, and what it will take.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "engine/experiment/experiment.h"

namespace flsim {

/// What a trial costs on one worker.
struct TrialCost {
  double start_s = 0;      ///< partition, replicas
  double rounds_s = 0;     ///< all of its rounds, evaluations included
  int64_t bytes = 0;       ///< of memory, beside the data
  int64_t data_bytes = 0;  ///< of memory, the data
};

/// Trains some clients of the first round of an experiment, loaded from `data`, and evaluates a
/// part of the test set, and scales that up. Takes some tenths of a second, or as long as one
/// client's training.
TrialCost MeasureTrial(Experiment experiment, LoadedData& data, const std::atomic<bool>& stop);

struct SweepPlan {
  int parallel = 1;  ///< trials at the same time
  int workers = 1;   ///< of each
  double seconds = 0;
  int64_t bytes = 0;
};

/// The number of trials side by side that ends the sweep soonest among those that fit into
/// `memory` bytes; where `parallel` is not 0, that number. Trials of costs[i], in this order, on
/// `cores`.
SweepPlan PlanSweep(const std::vector<TrialCost>& costs, int cores, int64_t memory, int parallel);

/// Bytes of memory that this machine has left.
int64_t AvailableMemory();

}  // namespace flsim
