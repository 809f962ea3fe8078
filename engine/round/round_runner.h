// One round: the cohort's clients are trained on the workers and folded into one update.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "engine/round/trainer.h"
#include "engine/round/tree_fold.h"
#include "engine/round/worker_pool.h"
#include "strategies/aggregator.h"

namespace flsim {

/// Splits 0 .. items - 1 into `parts` consecutive ranges of nearly equal length; returns where
/// `part` begins.
inline int64_t PartBegin(int64_t items, int64_t parts, int64_t part) {
  return items * part / parts;
}

/// What a round may do beside its work. Each may be empty; all are called by several threads at
/// once.
struct RoundHooks {
  /// In place of the strategy's own training: see Trainer::Train.
  std::function<void(ClientTask&)> train;
  /// Sees each client's trained model and its update.
  std::function<void(const ClientTask&, const Update&)> on_client;
  /// Whether to take each client's time.
  bool times = false;
  /// Whether to compare each client's delta with the aggregate's, for which the cohort's deltas are
  /// kept until the round is folded.
  bool cosines = false;
  /// Hears now and then how many clients are done.
  std::function<void(int64_t clients_done)> on_progress;
  /// Other work, items 0 .. beside_items - 1, each once, that workers turn to when all clients are
  /// handed out; not all of it is done where a client throws.
  int64_t beside_items = 0;
  std::function<void(int worker, int64_t item)> beside;
};

class RoundRunner {
 public:
  /// `devices`: one for each worker of the pool. Everything referred to must outlive the runner.
  RoundRunner(const TrainingSetup& setup, const Aggregator& aggregator, WorkerPool& pool,
              const std::vector<c10::Device>& devices);

  /// Trains the cohort, for which WhySkipped() has no word, from `state` and folds it, in the order
  /// of `cohort`. The bits do not depend on the number of workers. The cohort's records of `store`
  /// are open. Throws what a client threw, naming round and client, and InterruptedError soon after
  /// `setup.stop` becomes true; the state is as it was. The aggregate lends memory until the next
  /// round.
  Aggregate Run(const ServerState& state, const std::vector<CohortMember>& cohort,
                ClientStore& store, const RoundHooks& hooks);

  /// The server's half: moves `state` by the aggregate, which may be overwritten, all but its
  /// round. Returns the norm of the pseudo-gradient: of what the strategy gave the server optimizer
  /// to step along. Throws DivergedError when the model is no longer finite.
  double Apply(ServerState& state, Aggregate& aggregate, const ServerOptimizer& optimizer) const;

  Trainer& trainer(int worker) { return *trainers_[static_cast<size_t>(worker)]; }

 private:
  /// Calls work(trainer, part, i) for every member i of the cohort, the members of a part in order,
  /// and gives the parts to `fold`.
  void ForEachClient(const std::vector<CohortMember>& cohort, TreeFold& fold,
                     const std::function<void(Trainer& trainer, FoldPart& part, int64_t i)>& work,
                     const RoundHooks& hooks);
  /// The mean of the full gradients at the global model.
  at::Tensor CohortGradient(const ServerState& state, const std::vector<CohortMember>& cohort);
  double Share(const std::vector<CohortMember>& cohort) const;
  /// Fills in the cosines, from deltas_.
  void Compare(const at::Tensor& aggregate, std::vector<ClientReport>& reports);

  const TrainingSetup& setup_;
  const Aggregator& aggregator_;
  WorkerPool& pool_;
  std::vector<std::unique_ptr<Trainer>> trainers_;
  TreeFold fold_, gradient_fold_;
  std::vector<at::Tensor> deltas_;  ///< of the cohort's clients, where they are compared
};

/// Why a round with such a cohort moves nothing ("nobody arrived", or what the aggregator says), or
/// "".
std::string WhySkipped(const Aggregator& aggregator, size_t clients);

/// The cohort in the order of dispatch and fold: most examples first, ties by id.
std::vector<CohortMember> FoldOrder(const Partition& partition, const std::vector<int64_t>& cohort);

}  // namespace flsim
