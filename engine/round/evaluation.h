// Evaluation of the global model, in parallel, with the same bits for any number of workers.
#pragma once

#include <optional>
#include <vector>

#include "engine/round/round_runner.h"

namespace flsim {

/// The metrics of one model on one set of examples.
struct Metrics {
  double loss = 0;                 ///< mean over examples: cross-entropy, or squared error
  std::optional<double> accuracy;  ///< classification
  std::optional<double> mse, r2;   ///< regression
};

/// How a metric is spread over clients.
struct Distribution {
  int64_t clients = 0;
  double mean = 0, std = 0;  ///< unweighted; population standard deviation
  double p5 = 0, p25 = 0, p50 = 0, p75 = 0,
         p95 = 0;          ///< linear interpolation between order statistics
  double worst_tenth = 0;  ///< mean over the worst tenth of the clients, at least one
  // How fair it is, for values that are not negative (0 and 1 where all are 0):
  double gini = 0;  ///< 0: all are equal; near 1: one has all
  double jain =
      1;  ///< (sum x)^2 / (n sum x^2), Jain et al. (1984): 1: all are equal; 1 / n: one has all
};

/// Of clients' accuracies (higher is better) or losses (lower is better). `values` is not empty.
Distribution Distribute(std::vector<double> values, bool higher_is_better);

/// One client's, on its own examples.
struct ClientMetric {
  int64_t client = 0;
  int64_t examples = 0;
  double loss = 0;
  std::optional<double> accuracy;  ///< classification
};

struct ClientMetrics {
  Distribution loss;
  std::optional<Distribution> accuracy;  ///< classification
  std::vector<ClientMetric> each;
};

/// How clients are evaluated.
struct EvaluatorOptions {
  int64_t batch_size = 500;  ///< examples per forward pass
  const Partition* held_out =
      nullptr;                   ///< each client's own test examples; null: its training ones
  int64_t fine_tune_epochs = 0;  ///< each client trains the model first
};

/// Evaluates models on the test set and on clients' own examples.
class Evaluator {
 public:
  /// Uses the runner's replicas, one for each worker of the pool.
  Evaluator(const TrainingSetup& setup, WorkerPool& pool, RoundRunner& runner,
            const EvaluatorOptions& options);

  /// On the test set; absent if the data set has none. Throws InterruptedError soon after
  /// `setup.stop` becomes true.
  std::optional<Metrics> Test(const ServerState& state);
  /// The same in pieces, which the pool's workers may do beside other work: items 0 .. TestItems()
  /// - 1, each once and in any order, then TestResult(). One test at a time; does not heed
  /// `setup.stop`.
  int64_t TestItems() const;
  void TestItem(const ServerState& state, int worker, int64_t item);
  Metrics TestResult() const;
  /// Each of these clients' model (the global one, or its own) on its own examples; absent if none
  /// of them has any held out.
  std::optional<ClientMetrics> Clients(const ServerState& state,
                                       const std::vector<int64_t>& clients,
                                       const ClientStore& store);
  /// The global model's mean loss on each client's training examples.
  std::vector<double> Losses(const ServerState& state, const std::vector<int64_t>& clients);

 private:
  /// Sums over training examples, one batch after the other.
  EvaluationSums Sum(Trainer& trainer, const int64_t* indices, int64_t n);
  EvaluationSums OneBatch(Trainer& trainer, Split split, const int64_t* indices, int64_t n);
  /// Throws InterruptedError if the run is to stop.
  void CheckStop() const;

  const TrainingSetup& setup_;
  WorkerPool& pool_;
  RoundRunner& runner_;
  const EvaluatorOptions options_;
  const bool personal_;  ///< each client has a model of its own
  std::vector<int64_t> test_indices_;
  std::vector<EvaluationSums> test_;  ///< by item
  double test_variation_ = 0;  ///< sum of squared deviations of the test targets from their mean
};

}  // namespace flsim
