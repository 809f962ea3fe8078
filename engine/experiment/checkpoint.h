// Checkpoints: one safetensors file that holds everything a run needs to go on with the same bits.
#pragma once

#include <string>

#include "engine/core/json.h"
#include "models/network.h"
#include "strategies/strategy.h"

namespace flsim {

/// What a run has come to, beside the server's state.
struct RunProgress {
  double wall_s = 0;        ///< of all rounds and evaluations so far
  double train_wall_s = 0;  ///< of the rounds alone
  int64_t examples = 0;     ///< trained on so far
  Json final_metrics, best_metrics;
};

struct Checkpoint {
  ServerState state;
  RunProgress progress;
};

/// Writes atomically: a crash leaves the previous checkpoint. `data_hash`: of data set and
/// partition.
void SaveCheckpoint(const std::string& path, const ServerState& state, const RunProgress& progress,
                    const std::string& data_hash);

/// Throws DataError if the file is damaged, belongs to another network or was made with other data.
Checkpoint LoadCheckpoint(const std::string& path, const Network& network,
                          const std::string& data_hash);

}  // namespace flsim
