#include "engine/round/tree_fold.h"

namespace flsim {

void TreeFold::Start(int64_t parts) {
  for (auto& entry : waiting_) Recycle(std::move(entry.second));
  waiting_.clear();
  if (root_) Recycle(std::move(root_));
  parts_ = parts;
}

std::unique_ptr<Aggregator::Part> TreeFold::Take() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!free_.empty()) {
      auto part = std::move(free_.back());
      free_.pop_back();
      return part;
    }
  }
  return aggregator_.NewPart();
}

void TreeFold::Give(int64_t index, std::unique_ptr<Aggregator::Part> part) {
  int64_t width = parts_;
  for (int level = 0; width > 1; ++level) {
    const int64_t neighbour = index ^ 1;
    if (neighbour < width) {
      std::unique_ptr<Aggregator::Part> other;
      {
        const std::lock_guard<std::mutex> lock(mutex_);
        const auto found = waiting_.find({level, neighbour});
        if (found == waiting_.end()) {
          waiting_[{level, index}] = std::move(part);
          return;
        }
        other = std::move(found->second);
        waiting_.erase(found);
      }
      if (neighbour < index) std::swap(part, other);
      aggregator_.Join(*part, *other);
      const std::lock_guard<std::mutex> lock(mutex_);
      Recycle(std::move(other));
    }
    index /= 2;
    width = (width + 1) / 2;
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  root_ = std::move(part);
}

Update TreeFold::Finish() {
  FLSIM_CHECK(root_ != nullptr, parts_);
  return aggregator_.Finish(*root_);
}

void TreeFold::Recycle(std::unique_ptr<Aggregator::Part> part) {
  aggregator_.Clear(*part);
  free_.push_back(std::move(part));
}

}  // namespace flsim
