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

/// Some consecutive clients of a cohort, folded.
struct FoldPart {
  std::unique_ptr<Aggregator::Part> updates;  ///< null where nothing but extras is folded
  std::vector<at::Tensor> extras;             ///< sums of Update::extras
  bool has_extras = false;                    ///< else the sums hold nothing yet
};

/// Joins a cohort's parts 0 .. parts - 1 pairwise, in the shape of a binary tree that depends on
/// their number alone: a worker that finishes a part joins it with its neighbour if that is there,
/// else leaves it for the neighbour's worker. Nobody waits, and at most about workers + log2(parts)
/// parts are alive. Thread-safe.
class TreeFold {
 public:
  /// `aggregator`: null to sum extras alone.
  explicit TreeFold(const Aggregator* aggregator) : aggregator_(aggregator) {}

  /// Begins a cohort of `parts` parts; parts left by an abandoned one are reused.
  void Start(int64_t parts);
  /// An empty part.
  std::unique_ptr<FoldPart> Take();
  /// Appends a client to a part.
  void Add(FoldPart& part, const Update& update) const;
  /// Hands in part `index`, filled.
  void Give(int64_t index, std::unique_ptr<FoldPart> part);
  /// The whole cohort, once every part was given. Valid until the next Start().
  FoldPart& Whole();

 private:
  void Join(FoldPart& left, FoldPart& right) const;
  void Recycle(std::unique_ptr<FoldPart> part);

  const Aggregator* aggregator_;
  std::mutex mutex_;
  int64_t parts_ = 0;
  std::map<std::pair<int, int64_t>, std::unique_ptr<FoldPart>> waiting_;  ///< by (level, index)
  std::vector<std::unique_ptr<FoldPart>> free_;
  std::unique_ptr<FoldPart> root_;
};

}  // namespace flsim
