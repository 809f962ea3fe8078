// Checkpoints: one safetensors file that holds everything a run needs to go on with the same bits,
// but for the state of clients that has spilled into the store's own file.
#pragma once

#include <string>

#include "engine/core/json.h"
#include "engine/round/client_store.h"
#include "models/network.h"
#include "strategies/server_state.h"

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
void SaveCheckpoint(const std::string& path, const ServerState& state, ClientStore& store,
                    const RunProgress& progress, const std::string& data_hash);

/// Fills `store`, which is empty. Throws DataError if the file is damaged, belongs to another
/// network or was made with other data.
Checkpoint LoadCheckpoint(const std::string& path, const Network& network, int64_t clients,
                          const std::string& data_hash, ClientStore& store);

}  // namespace flsim
