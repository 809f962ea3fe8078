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

/// What one client did in a round.
struct ClientResult {
  int64_t client = 0;
  int64_t examples = 0;       ///< that it holds
  int64_t examples_seen = 0;  ///< counted once for each epoch
  int64_t steps = 0;
  double loss_sum = 0;  ///< over examples seen
};

struct RoundResult {
  Update aggregate;                   ///< valid until the next round
  std::vector<ClientResult> clients;  ///< in the order of the fold
};

/// Splits 0 .. items - 1 into `parts` consecutive ranges of nearly equal length; returns where
/// `part` begins.
inline int64_t PartBegin(int64_t items, int64_t parts, int64_t part) {
  return items * part / parts;
}

class RoundRunner {
 public:
  /// `devices`: one for each worker of the pool. Everything referred to must outlive the runner.
  RoundRunner(const TrainingSetup& setup, const Aggregator& aggregator, WorkerPool& pool,
              const std::vector<c10::Device>& devices);

  /// Trains the cohort from `state` and folds it. Order of dispatch and fold: most examples first,
  /// ties by id. The bits do not depend on the number of workers. Throws what a client threw,
  /// naming round and client, and InterruptedError soon after `setup.stop` becomes true; the state
  /// is as it was.
  ///   on_client    (may be empty) sees each client's trained model and update
  ///   on_progress  hears now and then how many clients are done
  /// Both are called by several threads at once.
  RoundResult Run(const ServerState& state, std::vector<int64_t> cohort,
                  const std::function<void(const ClientTask&, const Update&)>& on_client,
                  const std::function<void(int64_t clients_done)>& on_progress);

  Trainer& trainer(int worker) { return *trainers_[static_cast<size_t>(worker)]; }

 private:
  const TrainingSetup& setup_;
  const Aggregator& aggregator_;
  WorkerPool& pool_;
  std::vector<std::unique_ptr<Trainer>> trainers_;
  TreeFold fold_;
};

}  // namespace flsim
