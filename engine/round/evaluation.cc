#include "engine/round/evaluation.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace flsim {
namespace {

double Percentile(const std::vector<double>& sorted, double p) {
  const double at = p / 100 * static_cast<double>(sorted.size() - 1);
  const auto low = static_cast<size_t>(at);
  const size_t high = std::min(low + 1, sorted.size() - 1);
  return sorted[low] + (at - static_cast<double>(low)) * (sorted[high] - sorted[low]);
}

}  // namespace

Distribution Distribute(std::vector<double> values, bool higher_is_better) {
  FLSIM_CHECK(!values.empty());
  Distribution d;
  d.clients = static_cast<int64_t>(values.size());
  const auto n = static_cast<double>(values.size());
  d.mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  for (const double value : values) d.std += (value - d.mean) * (value - d.mean);
  d.std = std::sqrt(d.std / n);
  std::sort(values.begin(), values.end());
  d.p5 = Percentile(values, 5);
  d.p25 = Percentile(values, 25);
  d.p50 = Percentile(values, 50);
  d.p75 = Percentile(values, 75);
  d.p95 = Percentile(values, 95);
  double squares = 0, ranked = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    squares += values[i] * values[i];
    ranked += (2 * static_cast<double>(i + 1) - n - 1) * values[i];
  }
  if (d.mean > 0) {
    d.gini = ranked / (n * n * d.mean);
    d.jain = n * d.mean * d.mean / squares;
  }
  if (!higher_is_better) std::reverse(values.begin(), values.end());
  const size_t tenth = std::max<size_t>(1, values.size() / 10);
  d.worst_tenth =
      std::accumulate(values.begin(), values.begin() + static_cast<int64_t>(tenth), 0.0) /
      static_cast<double>(tenth);
  return d;
}

Evaluator::Evaluator(const TrainingSetup& setup, WorkerPool& pool, RoundRunner& runner,
                     const EvaluatorOptions& options)
    : setup_(setup),
      pool_(pool),
      runner_(runner),
      options_(options),
      personal_(setup.strategy->Needs().personal || setup.local_buffers ||
                options.fine_tune_epochs > 0) {
  const DatasetFacts& facts = setup.dataset->facts();
  test_indices_.resize(static_cast<size_t>(facts.test_examples));
  std::iota(test_indices_.begin(), test_indices_.end(), 0);
  test_.resize(
      static_cast<size_t>((facts.test_examples + options.batch_size - 1) / options.batch_size));
  if (facts.task != Task::kRegression || test_indices_.empty()) return;
  Batch batch{c10::Device(c10::kCPU)};
  double sum = 0, squares = 0;
  std::vector<double> targets;
  targets.reserve(test_indices_.size());
  for (int64_t first = 0; first < facts.test_examples; first += options.batch_size) {
    const int64_t n = std::min(options.batch_size, facts.test_examples - first);
    setup.dataset->Gather(Split::kTest, test_indices_.data() + first, n, nullptr, batch);
    targets.insert(targets.end(), batch.target_values(), batch.target_values() + n);
  }
  for (const double target : targets) sum += target;
  const double mean = sum / static_cast<double>(targets.size());
  for (const double target : targets) squares += (target - mean) * (target - mean);
  test_variation_ = squares;
}

void Evaluator::CheckStop() const {
  if (*setup_.stop) throw InterruptedError("interrupted in an evaluation");
}

EvaluationSums Evaluator::OneBatch(Trainer& trainer, Split split, const int64_t* indices,
                                   int64_t n) {
  setup_.dataset->Gather(split, indices, n, nullptr, trainer.batch());
  return trainer.replica().Evaluate(trainer.batch());
}

EvaluationSums Evaluator::Sum(Trainer& trainer, const int64_t* indices, int64_t n) {
  EvaluationSums sums;
  for (int64_t first = 0; first < n; first += options_.batch_size) {
    CheckStop();
    const EvaluationSums batch =
        OneBatch(trainer, Split::kTrain, indices + first, std::min(options_.batch_size, n - first));
    sums.examples += batch.examples;
    sums.loss += batch.loss;
    sums.correct += batch.correct;
  }
  return sums;
}

int64_t Evaluator::TestItems() const { return static_cast<int64_t>(test_.size()); }

void Evaluator::TestItem(const ServerState& state, int worker, int64_t item) {
  Trainer& trainer = runner_.trainer(worker);
  trainer.Load(state);
  const int64_t first = item * options_.batch_size;
  const auto examples = static_cast<int64_t>(test_indices_.size());
  test_[static_cast<size_t>(item)] = OneBatch(trainer, Split::kTest, test_indices_.data() + first,
                                              std::min(options_.batch_size, examples - first));
}

Metrics Evaluator::TestResult() const {
  double loss = 0;
  int64_t correct = 0;
  for (const EvaluationSums& sums : test_) {
    loss += sums.loss;
    correct += sums.correct;
  }
  Metrics metrics;
  const auto n = static_cast<double>(test_indices_.size());
  metrics.loss = loss / n;
  if (setup_.network->task == Task::kClassification) {
    metrics.accuracy = static_cast<double>(correct) / n;
  } else {
    metrics.mse = metrics.loss;
    if (test_variation_ > 0) metrics.r2 = 1 - loss / test_variation_;
  }
  return metrics;
}

std::optional<Metrics> Evaluator::Test(const ServerState& state) {
  if (TestItems() == 0) return std::nullopt;
  pool_.Run(TestItems(), [&](int worker, int64_t item) {
    CheckStop();
    TestItem(state, worker, item);
  });
  return TestResult();
}

std::optional<ClientMetrics> Evaluator::Clients(const ServerState& state,
                                                const std::vector<int64_t>& clients,
                                                const ClientStore& store) {
  const bool held_out = options_.held_out != nullptr;
  const Partition& partition = held_out ? *options_.held_out : *setup_.partition;
  ClientMetrics metrics;
  for (const int64_t client : clients) {
    if (partition.size(client) > 0) metrics.each.push_back({client, partition.size(client), 0, {}});
  }
  if (metrics.each.empty()) return std::nullopt;
  const bool classes = setup_.network->task == Task::kClassification;
  pool_.Run(static_cast<int64_t>(metrics.each.size()), [&](int worker, int64_t i) {
    ClientMetric& metric = metrics.each[static_cast<size_t>(i)];
    Trainer& trainer = runner_.trainer(worker);
    if (personal_) {
      trainer.Personalize(state, metric.client, store.Read(metric.client),
                          options_.fine_tune_epochs);
    } else {
      trainer.Load(state);
    }
    const EvaluationSums sums = Sum(trainer, partition.begin(metric.client), metric.examples);
    if (!std::isfinite(sums.loss)) {
      throw DivergedError("round " + std::to_string(state.round) + ": the loss on client " +
                          std::to_string(metric.client) + "'s examples is not finite");
    }
    metric.loss = sums.loss / static_cast<double>(sums.examples);
    if (classes) {
      metric.accuracy = static_cast<double>(sums.correct) / static_cast<double>(sums.examples);
    }
  });
  std::vector<double> losses, accuracies;
  for (const ClientMetric& metric : metrics.each) {
    losses.push_back(metric.loss);
    if (metric.accuracy) accuracies.push_back(*metric.accuracy);
  }
  metrics.loss = Distribute(losses, /*higher_is_better=*/false);
  if (classes) metrics.accuracy = Distribute(accuracies, /*higher_is_better=*/true);
  return metrics;
}

std::vector<double> Evaluator::Losses(const ServerState& state,
                                      const std::vector<int64_t>& clients) {
  std::vector<double> losses(clients.size());
  pool_.Run(static_cast<int64_t>(clients.size()), [&](int worker, int64_t i) {
    const int64_t client = clients[static_cast<size_t>(i)];
    Trainer& trainer = runner_.trainer(worker);
    trainer.Load(state);
    const EvaluationSums sums =
        Sum(trainer, setup_.partition->begin(client), setup_.partition->size(client));
    losses[static_cast<size_t>(i)] = sums.loss / static_cast<double>(sums.examples);
  });
  return losses;
}

}  // namespace flsim
