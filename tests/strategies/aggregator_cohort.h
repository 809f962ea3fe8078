// Recorded cohorts for the tests of aggregators and pre-aggregations.
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "engine/core/rng.h"
#include "engine/core/vector_ops.h"
#include "strategies/aggregator.h"
#include "tests/strategies/component.h"
#include "tests/values.h"

namespace flsim {

using Cohort = std::vector<Values>;

using Parallel = std::function<void(int64_t items, const std::function<void(int64_t)>& work)>;

/// Runs the items on so many threads, the last item first.
inline Parallel Threads(int threads) {
  return [threads](int64_t items, const std::function<void(int64_t)>& work) {
    std::atomic<int64_t> left{items};
    const auto run = [&] {
      for (int64_t item = --left; item >= 0; item = --left) work(item);
    };
    std::vector<std::thread> others;
    for (int t = 1; t < threads; ++t) others.emplace_back(run);
    run();
    for (std::thread& other : others) other.join();
  };
}

/// How a cohort is folded.
struct Folding {
  std::vector<Json> pre_aggregations;
  std::vector<double> weights;  ///< all 1 if empty
  int64_t buffers = 0;          ///< the last columns of each row
  Values root_delta, previous_delta;
  Parallel parallel;
  int64_t round = 1;
};

struct Folded {
  Values delta, buffers;
  double squared_norm;
};

/// The aggregate of the rows, added to parts of two clients that are joined from left to right.
inline Folded Fold(const Json& spec, const Cohort& cohort, const Folding& folding = {}) {
  std::vector<std::unique_ptr<PreAggregation>> pre_aggregations;
  Aggregator::Context context;
  context.buffers = folding.buffers;
  context.parameters = static_cast<int64_t>(cohort.front().size()) - folding.buffers;
  for (const Json& pre_aggregation : folding.pre_aggregations) {
    pre_aggregations.push_back(BuildComponent<PreAggregation>(pre_aggregation));
    context.pre_aggregations.push_back(pre_aggregations.back().get());
  }
  const auto aggregator = BuildComponent<Aggregator>(spec, context);
  auto whole = aggregator->NewPart();
  auto part = aggregator->NewPart();
  for (size_t i = 0; i < cohort.size(); ++i) {
    const at::Tensor row = Vector(cohort[i]);
    Update update;
    update.delta = row.narrow(0, 0, context.parameters);
    update.buffers = row.narrow(0, context.parameters, context.buffers);
    update.weight = folding.weights.empty() ? 1 : folding.weights[i];
    aggregator->Add(*part, update);
    if (i % 2 == 1 || i + 1 == cohort.size()) {
      aggregator->Join(*whole, *part);
      aggregator->Clear(*part);
    }
  }
  FoldInput input;
  input.round = folding.round;
  input.parallel = folding.parallel ? folding.parallel : Threads(1);
  if (!folding.root_delta.empty()) input.root_delta = Vector(folding.root_delta);
  if (!folding.previous_delta.empty()) input.previous_delta = Vector(folding.previous_delta);
  const Aggregate aggregate = aggregator->Finish(*whole, input);
  return {Read(aggregate.delta), Read(aggregate.buffers), aggregate.squared_norm};
}

inline Values RandomRow(int64_t columns, uint64_t stream, double mean = 0, double deviation = 1) {
  Rng rng(1, {"test", stream});
  Values row(static_cast<size_t>(columns));
  for (float& value : row) value = static_cast<float>(mean + deviation * rng.Normal());
  return row;
}

inline Cohort RandomCohort(int64_t rows, int64_t columns, uint64_t stream = 0) {
  Cohort cohort;
  for (int64_t i = 0; i < rows; ++i)
    cohort.push_back(RandomRow(columns, 1000 * stream + static_cast<uint64_t>(i)));
  return cohort;
}

/// The mean of the rows, in double precision.
inline Values MeanOf(const Cohort& cohort, const std::vector<size_t>& rows) {
  Values mean;
  for (size_t c = 0; c < cohort.front().size(); ++c) {
    double sum = 0;
    for (const size_t i : rows) sum += cohort[i][c];
    mean.push_back(static_cast<float>(sum / static_cast<double>(rows.size())));
  }
  return mean;
}
inline Values MeanOf(const Cohort& cohort) {
  std::vector<size_t> all;
  for (size_t i = 0; i < cohort.size(); ++i) all.push_back(i);
  return MeanOf(cohort, all);
}

/// The largest difference of two coordinates.
inline double Difference(const Values& a, const Values& b) {
  if (a.size() != b.size()) return std::numeric_limits<double>::infinity();
  double most = 0;
  for (size_t c = 0; c < a.size(); ++c)
    most = std::max(most, std::abs(static_cast<double>(a[c]) - b[c]));
  return most;
}

}  // namespace flsim
