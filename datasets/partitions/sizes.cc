#include "datasets/partitions/sizes.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/core/error.h"
#include "engine/core/huge_pages.h"

namespace flsim {

void RequireEnoughExamples(int64_t clients, int64_t examples) {
  if (clients <= examples) return;
  throw ConfigError("partition.clients: must be at most " + std::to_string(examples) +
                    " (the training examples), got " + std::to_string(clients));
}

void RequireEnoughExamples(int64_t clients, int64_t min_examples, int64_t examples) {
  RequireEnoughExamples(clients, examples);
  const int64_t most = examples / clients;
  if (min_examples <= most) return;
  throw ConfigError("partition.min_examples: must be at most " + std::to_string(most) + " (" +
                    std::to_string(examples) + " training examples over " +
                    std::to_string(clients) + " clients), got " + std::to_string(min_examples));
}

std::vector<int64_t> SizesInProportion(const std::vector<double>& weights, int64_t total,
                                       int64_t min_each) {
  const size_t n = weights.size();
  std::vector<uint32_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](uint32_t a, uint32_t b) { return weights[a] < weights[b]; });
  std::vector<double> weight_from(n + 1, 0);  // of order[i], order[i + 1], ...
  for (size_t i = n; i-- > 0;) weight_from[i] = weight_from[i + 1] + weights[order[i]];

  std::vector<int64_t> sizes(n);
  int64_t left = total;
  size_t i = 0;
  const auto share = [&](size_t k, size_t from, int64_t of) {
    return static_cast<double>(of) * (weights[order[k]] / weight_from[from]);
  };
  // Negated, so that weights of zero (0 / 0) count as too small.
  while (i < n && !(share(i, i, left) >= static_cast<double>(min_each))) {
    sizes[order[i++]] = min_each;
    left -= min_each;
  }
  std::vector<std::pair<double, uint32_t>> remainders;
  int64_t unshared = left;
  for (size_t k = i; k < n; ++k) {
    const double exact = share(k, i, left);
    const auto whole = static_cast<int64_t>(std::floor(exact));
    sizes[order[k]] = whole;
    unshared -= whole;
    remainders.emplace_back(static_cast<double>(whole) - exact, order[k]);
  }
  // The sum in floating point may be off by a few units; no one falls below its floor for that.
  std::sort(remainders.begin(), remainders.end());
  FLSIM_CHECK(unshared >= 0 && (unshared == 0 || !remainders.empty()), unshared, total, n);
  for (size_t k = 0; unshared > 0; --unshared, ++k)
    ++sizes[remainders[k % remainders.size()].second];
  return sizes;
}

std::vector<double> DirichletProportions(double alpha, int64_t n, Rng& rng) {
  std::vector<double> weights(static_cast<size_t>(n));
  for (double& weight : weights) weight = rng.LogGamma(alpha);
  const double largest = *std::max_element(weights.begin(), weights.end());
  if (!std::isfinite(largest)) {
    // So small an alpha that even the logarithms overflow: all the mass is on one of them.
    weights.assign(weights.size(), 0);
    weights[rng.Below(static_cast<uint64_t>(n))] = 1;
    return weights;
  }
  for (double& weight : weights) weight = std::exp(weight - largest);
  return weights;
}

Partition PartitionByOwner(const std::vector<uint32_t>& owners, int64_t clients) {
  Partition partition;
  partition.offsets.assign(static_cast<size_t>(clients) + 1, 0);
  for (const uint32_t owner : owners) ++partition.offsets[owner + size_t{1}];
  for (size_t k = 1; k < partition.offsets.size(); ++k) {
    FLSIM_CHECK(partition.offsets[k] > 0, "client without examples:", k - 1);
    partition.offsets[k] += partition.offsets[k - 1];
  }
  ReserveHugePages(partition.indices, owners.size());
  partition.indices.resize(owners.size());
  std::vector<int64_t> next(partition.offsets.begin(), partition.offsets.end() - 1);
  for (size_t i = 0; i < owners.size(); ++i) {
    partition.indices[static_cast<size_t>(next[owners[i]]++)] = static_cast<int64_t>(i);
  }
  return partition;
}

Partition DealRandomly(const std::vector<int64_t>& sizes, int64_t examples, Rng& rng) {
  std::vector<uint32_t> owners;
  ReserveHugePages(owners, static_cast<size_t>(examples));
  for (size_t client = 0; client < sizes.size(); ++client) {
    owners.insert(owners.end(), static_cast<size_t>(sizes[client]), static_cast<uint32_t>(client));
  }
  FLSIM_CHECK(static_cast<int64_t>(owners.size()) == examples, owners.size(), examples);
  rng.Shuffle(owners.data(), examples);
  return PartitionByOwner(owners, static_cast<int64_t>(sizes.size()));
}

ExamplesByClass::ExamplesByClass(const PartitionInput& input) {
  FLSIM_CHECK(static_cast<int64_t>(input.labels.size()) == input.examples, input.labels.size(),
              input.examples);
  starts.assign(static_cast<size_t>(input.classes) + 1, 0);
  for (const int32_t label : input.labels) {
    FLSIM_CHECK(label >= 0 && label < input.classes, label, input.classes);
    ++starts[static_cast<size_t>(label) + 1];
  }
  std::partial_sum(starts.begin(), starts.end(), starts.begin());
  order.resize(input.labels.size());
  std::vector<int64_t> next(starts.begin(), starts.end() - 1);
  for (size_t i = 0; i < input.labels.size(); ++i) {
    order[static_cast<size_t>(next[static_cast<size_t>(input.labels[i])]++)] =
        static_cast<int64_t>(i);
  }
}

}  // namespace flsim
