// The one local training loop.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "datasets/dataset.h"
#include "datasets/partition.h"
#include "engine/round/client_store.h"
#include "models/backend.h"
#include "strategies/strategy.h"

namespace flsim {

/// What stays the same for all clients and rounds of a run.
struct TrainingSetup {
  TrainingOptions options;
  const Dataset* dataset = nullptr;
  const Partition* partition = nullptr;  ///< of the training examples, without what is held out
  const Network* network = nullptr;
  const Strategy* strategy = nullptr;
  const Schedule* lr_schedule = nullptr;
  std::string backend;
  bool local_buffers = false;  ///< each client keeps its own
  std::vector<int64_t> root;   ///< the server's own training examples, where an aggregator asks
  uint64_t seed = 1;
  const std::atomic<bool>* stop =
      nullptr;  ///< once true, training and evaluation throw InterruptedError

  /// The client learning rate of a round.
  double Lr(int64_t round) const;
  /// Sizes of the vectors that each client keeps: the strategy's, then its buffers if they stay.
  std::vector<int64_t> ClientState() const;
};

/// A client of a cohort.
struct CohortMember {
  int64_t client = 0;
  int64_t examples = 0;
};

/// Trains clients one after the other, on one device, reusing its memory from client to client. One
/// per worker.
class Trainer : public LocalTraining {
 public:
  Trainer(const TrainingSetup& setup, c10::Device device);

  /// A task for this client in this round (at least the first's learning rate), without state, its
  /// parameters not yet loaded.
  ClientTask TaskOf(const ServerState& server, const CohortMember& member, int64_t round);
  /// A task of the round in progress with the client's state. `store`: opened for this round.
  ClientTask Prepare(const ServerState& server, const CohortMember& member, ClientStore& store);

  /// Starts from the server's model, runs the client's local steps and returns its update, which
  /// lends the trainer's memory until the next call. task.parameters is the trained model.
  /// `train` (may be empty) takes the place of the strategy's Train(): it fills task.parameters,
  /// task.buffers and what is counted. Throws DivergedError naming round and client when a loss or
  /// the update is NaN or Inf.
  Update Train(ClientTask& task, const std::function<void(ClientTask&)>& train);

  /// Names the client to come after this one: its examples are brought into the caches a batch at a
  /// time while this one trains.
  void Announce(const CohortMember& next);

  /// The server's own update on its root data: plain local training, no strategy.
  at::Tensor TrainRoot(const ServerState& server);

  /// Loads the model that the client is evaluated with: the global one, made its own by the
  /// strategy and trained for `fine_tune_epochs` on the client's training examples. `state`: what
  /// it kept.
  void Personalize(const ServerState& server, int64_t client, std::vector<at::Tensor> state,
                   int64_t fine_tune_epochs);

  void Run(ClientTask& task, const LocalRun& run) override;
  double Loss(const ClientTask& task, const at::Tensor& parameters) override;
  double FullGradient(const ClientTask& task, const at::Tensor& parameters,
                      const at::Tensor& gradient) override;
  void BatchGradient(const at::Tensor& parameters, const at::Tensor& gradient) override;
  at::Tensor Features(const at::Tensor& parameters) override;
  const at::Tensor& Scratch(int index) override;

  /// Puts the global model into the replica.
  void Load(const ServerState& server);
  Replica& replica() { return *replica_; }
  Batch& batch() { return batch_; }

 private:
  /// A replica's vectors, put back when the life of this ends.
  class Borrowed;

  /// Puts the global model into the replica, and the client's own buffers if it has some.
  void LoadModel(const ClientTask& task);
  const int64_t* Examples(const ClientTask& task) const;
  /// The random numbers of a local run.
  struct Draws {
    Draws(uint64_t seed, const std::string& purpose);
    /// The same for a round and client.
    Draws At(const ClientTask& task) const;
    Rng shuffle, augment, dropout;
  };
  void Correct(const ClientTask& task, const LocalRun& run,
               const std::vector<ParameterRange>& frozen);
  /// The local step number `step` of a run, 1 for the first.
  SgdStep Sgd(const ClientTask& task, int64_t step) const;
  void Step(const ClientTask& task, const LocalRun& run, int64_t step);
  void CheckStop(const ClientTask& task) const;
  void PrefetchAnnounced(int64_t n);

  const TrainingSetup& setup_;
  const StrategyNeeds needs_;
  std::unique_ptr<Replica> replica_;
  Batch batch_;
  const Draws main_draws_;  ///< of the run without a purpose of its own
  const bool adam_;         ///< the local optimizer, else SGD
  std::vector<int64_t> order_;
  const int64_t* announced_ = nullptr;  ///< examples of the next client not yet asked for
  int64_t announced_left_ = 0;
  at::Tensor first_moment_, second_moment_;  ///< of the local optimizer, where it has them
  at::Tensor delta_;
  at::Tensor kept_parameters_, kept_gradient_, kept_buffers_;  ///< while the replica is borrowed
  std::vector<at::Tensor> scratch_;
  std::optional<Rng> dropout_at_step_;  ///< as it was before the step in progress
};

}  // namespace flsim
