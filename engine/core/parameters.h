// A model's tensors as one flat float32 vector: where each named tensor lies in it.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace flsim {

/// Consecutive elements of the flat vector.
struct ParameterRange {
  int64_t begin = 0, size = 0;
};

/// One named tensor inside the flat vector.
struct ParameterSlot {
  std::string name;   ///< as PyTorch names it: "conv1.weight"
  std::string layer;  ///< the kind of layer that it belongs to: "conv", "group_norm", ...
  std::vector<int64_t> shape;
  int64_t offset = 0;  ///< in elements
  int64_t size = 0;    ///< in elements
};

/// The layout of a flat vector. Slots follow each other without gaps, in the order they were added.
class ParameterLayout {
 public:
  /// Adds a tensor at the end; returns its index.
  int Add(const std::string& name, std::vector<int64_t> shape, const std::string& layer = "");
  const std::vector<ParameterSlot>& slots() const { return slots_; }
  const ParameterSlot& operator[](int index) const { return slots_[static_cast<size_t>(index)]; }
  /// Total number of elements.
  int64_t size() const { return size_; }

  /// The slot's elements of `flat` as a tensor of its shape that shares memory with `flat`.
  at::Tensor View(const at::Tensor& flat, int index) const;

  /// Where the tensors lie that `wanted` holds for, neighbours joined, in increasing order.
  std::vector<ParameterRange> Ranges(const std::function<bool(const ParameterSlot&)>& wanted) const;
  /// All that `ranges` (in increasing order) leave out.
  std::vector<ParameterRange> Complement(const std::vector<ParameterRange>& ranges) const;

 private:
  std::vector<ParameterSlot> slots_;
  int64_t size_ = 0;
};

}  // namespace flsim
