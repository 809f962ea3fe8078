#include "engine/round/tree_fold.h"

#include "engine/core/vector_ops.h"

namespace flsim {

void TreeFold::Start(int64_t parts) {
  for (auto& entry : waiting_) Recycle(std::move(entry.second));
  waiting_.clear();
  if (root_) Recycle(std::move(root_));
  parts_ = parts;
}

std::unique_ptr<FoldPart> TreeFold::Take() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!free_.empty()) {
      auto part = std::move(free_.back());
      free_.pop_back();
      return part;
    }
  }
  auto part = std::make_unique<FoldPart>();
  if (aggregator_ != nullptr) part->updates = aggregator_->NewPart();
  return part;
}

void TreeFold::Add(FoldPart& part, const Update& update) const {
  if (aggregator_ != nullptr) aggregator_->Add(*part.updates, update);
  if (update.extras.empty()) return;
  for (size_t i = part.extras.size(); i < update.extras.size(); ++i) {
    part.extras.push_back(Uninitialized(update.extras[i].numel(), update.extras[i].device()));
  }
  for (size_t i = 0; i < update.extras.size(); ++i) {
    if (part.has_extras) {
      AddScaled(part.extras[i], 1, update.extras[i]);
    } else {
      Copy(part.extras[i], update.extras[i]);
    }
  }
  part.has_extras = true;
}

void TreeFold::Join(FoldPart& left, FoldPart& right) const {
  if (aggregator_ != nullptr) aggregator_->Join(*left.updates, *right.updates);
  FLSIM_CHECK(left.has_extras == right.has_extras, "some updates have extras, some don't");
  if (!left.has_extras) return;
  FLSIM_CHECK(left.extras.size() == right.extras.size());
  for (size_t i = 0; i < left.extras.size(); ++i) AddScaled(left.extras[i], 1, right.extras[i]);
}

void TreeFold::Give(int64_t index, std::unique_ptr<FoldPart> part) {
  int64_t width = parts_;
  for (int level = 0; width > 1; ++level) {
    const int64_t neighbour = index ^ 1;
    if (neighbour < width) {
      std::unique_ptr<FoldPart> other;
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
      Join(*part, *other);
      const std::lock_guard<std::mutex> lock(mutex_);
      Recycle(std::move(other));
    }
    index /= 2;
    width = (width + 1) / 2;
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  root_ = std::move(part);
}

FoldPart& TreeFold::Whole() {
  FLSIM_CHECK(root_ != nullptr, parts_);
  return *root_;
}

void TreeFold::Recycle(std::unique_ptr<FoldPart> part) {
  if (part->updates) aggregator_->Clear(*part->updates);
  part->has_extras = false;
  free_.push_back(std::move(part));
}

}  // namespace flsim
