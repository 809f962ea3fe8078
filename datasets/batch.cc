#include <ATen/ops/empty.h>

#include <algorithm>

#include "datasets/dataset.h"

namespace flsim {

void Batch::Resize(const DatasetFacts& facts, int64_t size) {
  FLSIM_CHECK(size >= 0, size);
  const bool classes = facts.task == Task::kClassification;
  const bool same_kind = all_inputs_.defined() &&
                         all_inputs_.sizes().slice(1) == c10::IntArrayRef(facts.input_shape) &&
                         (labels_ != nullptr) == classes;
  if (same_kind && size == size_) return;
  if (!same_kind || size > capacity_) {
    // At least one example, so that the pointers tell the kind of target even when `size` is 0.
    capacity_ = std::max<int64_t>(size, 1);
    std::vector<int64_t> shape = {capacity_};
    shape.insert(shape.end(), facts.input_shape.begin(), facts.input_shape.end());
    const auto options = at::TensorOptions().device(device_);
    all_inputs_ = at::empty(shape, options.dtype(at::kFloat));
    all_targets_ = at::empty({capacity_}, options.dtype(classes ? at::kLong : at::kFloat));
    input_data_ = all_inputs_.data_ptr<float>();
    labels_ = classes ? all_targets_.data_ptr<int64_t>() : nullptr;
    target_values_ = classes ? nullptr : all_targets_.data_ptr<float>();
  }
  size_ = size;
  inputs_ = all_inputs_.narrow(0, 0, size);
  targets_ = all_targets_.narrow(0, 0, size);
}

}  // namespace flsim
