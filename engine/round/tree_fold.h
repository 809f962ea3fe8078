// Folding a cohort on several workers with the same bits as on one.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "strategies/aggregator.h"

namespace flsim {

/// Joins a cohort's parts 0 .. parts - 1 pairwise, in the shape of a binary tree that depends on
/// their number alone: a worker that finishes a part joins it with its neighbour if that is there,
/// else leaves it for the neighbour's worker. Nobody waits, and at most about workers + log2(parts)
/// parts are alive. Thread-safe.
class TreeFold {
 public:
  explicit TreeFold(const Aggregator& aggregator) : aggregator_(aggregator) {}

  /// Begins a cohort of `parts` parts; parts left by an abandoned one are reused.
  void Start(int64_t parts);
  /// An empty part.
  std::unique_ptr<Aggregator::Part> Take();
  /// Hands in part `index`, filled.
  void Give(int64_t index, std::unique_ptr<Aggregator::Part> part);
  /// The aggregate, once every part was given. Valid until the next Start().
  Update Finish();

 private:
  void Recycle(std::unique_ptr<Aggregator::Part> part);

  const Aggregator& aggregator_;
  std::mutex mutex_;
  int64_t parts_ = 0;
  std::map<std::pair<int, int64_t>, std::unique_ptr<Aggregator::Part>>
      waiting_;  ///< by (level, index)
  std::vector<std::unique_ptr<Aggregator::Part>> free_;
  std::unique_ptr<Aggregator::Part> root_;
};

}  // namespace flsim
