// What the partitions share: sizes of clients, and examples dealt to them.
#pragma once

#include <vector>

#include "datasets/partition.h"

namespace flsim {

/// Throws ConfigError, naming the option, if there are more clients than training examples.
void RequireEnoughExamples(int64_t clients, int64_t examples);
/// The same for clients of at least `min_examples` each.
void RequireEnoughExamples(int64_t clients, int64_t min_examples, int64_t examples);

/// Whole numbers in proportion to `weights` (at least 0, finite) that add up to `total`, none less
/// than `min_each`: weights too small for it get just that, the rest is shared among the others by
/// the largest remainder. Needs weights.size() * min_each <= total.
std::vector<int64_t> SizesInProportion(const std::vector<double>& weights, int64_t total,
                                       int64_t min_each);

/// Proportions of a symmetric Dirichlet(alpha) over n, up to a common factor; the largest is 1.
std::vector<double> DirichletProportions(double alpha, int64_t n, Rng& rng);

/// The partition in which example i belongs to client owners[i]; every client owns one.
Partition PartitionByOwner(const std::vector<uint32_t>& owners, int64_t clients);

/// Deals all examples at random to clients of these sizes, which add up to `examples`.
Partition DealRandomly(const std::vector<int64_t>& sizes, int64_t examples, Rng& rng);

/// The examples of each class, ascending: class j has order[starts[j] .. starts[j + 1]).
struct ExamplesByClass {
  explicit ExamplesByClass(const PartitionInput& input);
  int64_t count(int32_t label) const {
    return starts[static_cast<size_t>(label) + 1] - starts[static_cast<size_t>(label)];
  }
  int64_t* begin(int32_t label) { return order.data() + starts[static_cast<size_t>(label)]; }

  std::vector<int64_t> starts;  ///< [classes + 1]
  std::vector<int64_t> order;   ///< [examples]
};

/// Options of the partitions that look at labels.
struct LabelPartitionOptions : PartitionOptions {
  int32_t bins = 10;
  template <class V>
  void Visit(V& v) {
    PartitionOptions::Visit(v);
    v(bins, "bins", "Number of quantile bins that stand in for classes in a regression.",
      Between(2, 1000));
  }
};

}  // namespace flsim
