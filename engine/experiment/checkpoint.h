// Checkpoints: one safetensors file that holds everything a run needs to go on with the same bits,
// but for the state of clients that has spilled into the store's own file.
#pragma once

#include <string>

#include "engine/experiment/run_progress.h"
#include "engine/round/client_store.h"
#include "models/network.h"
#include "strategies/server_state.h"

namespace flsim {

/// What a run read that its config does not tell, by hash.
struct InputHashes {
  std::string data;  ///< data set and partition
  /// Of the cohorts of rounds 1 .. rounds, where a file lists them: see Sampler::FileHash.
  std::function<std::string(int64_t rounds)> cohorts;
};

struct Checkpoint {
  ServerState state;
  RunProgress progress;
};

/// Writes atomically: a crash leaves the previous checkpoint.
void SaveCheckpoint(const std::string& path, const ServerState& state, ClientStore& store,
                    const RunProgress& progress, const InputHashes& inputs);

/// Fills `store`, which is empty. Throws DataError if the file is damaged, belongs to another
/// network or was made from other inputs.
Checkpoint LoadCheckpoint(const std::string& path, const Network& network, int64_t clients,
                          const InputHashes& inputs, ClientStore& store);

}  // namespace flsim
