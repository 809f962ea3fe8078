// The one local training loop.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "datasets/dataset.h"
#include "datasets/partition.h"
#include "engine/round/training_options.h"
#include "models/backend.h"
#include "strategies/strategy.h"

namespace flsim {

/// What stays the same for all clients and rounds of a run.
struct TrainingSetup {
  TrainingOptions options;
  const Dataset* dataset = nullptr;
  const Partition* partition = nullptr;
  const Network* network = nullptr;
  const Strategy* strategy = nullptr;
  std::string backend;
  uint64_t seed = 1;
  const std::atomic<bool>* stop =
      nullptr;  ///< once true, training and evaluation throw InterruptedError
};

/// Trains clients one after the other, on one device, reusing its memory from client to client. One
/// per worker.
class Trainer {
 public:
  Trainer(const TrainingSetup& setup, c10::Device device);

  /// A task for this client, its parameters not yet loaded.
  ClientTask Prepare(const ServerState& server, int64_t client) const;

  /// Starts from the server's model, runs the client's local steps and returns its update, which
  /// lends the trainer's memory until the next call. task.parameters is the trained model. Throws
  /// DivergedError naming round and client when a loss or the update is NaN or Inf.
  Update Train(ClientTask& task);

  Replica& replica() { return *replica_; }
  Batch& batch() { return batch_; }

 private:
  void Step(const ClientTask& task);

  const TrainingSetup& setup_;
  std::unique_ptr<Replica> replica_;
  Batch batch_;
  std::vector<int64_t> order_;
  at::Tensor first_moment_, second_moment_;  ///< of the local optimizer, where it has them
  at::Tensor delta_;
};

}  // namespace flsim
