// Vectors as tests write and read them.
#pragma once

#include <algorithm>
#include <vector>

#include "engine/core/rng.h"
#include "engine/core/vector_ops.h"

namespace flsim {

using Values = std::vector<float>;

inline at::Tensor Vector(const Values& values) {
  at::Tensor tensor = Uninitialized(static_cast<int64_t>(values.size()), c10::kCPU);
  std::copy(values.begin(), values.end(), tensor.mutable_data_ptr<float>());
  return tensor;
}

inline Values Read(const at::Tensor& tensor) {
  const float* data = tensor.const_data_ptr<float>();
  return {data, data + tensor.numel()};
}

/// Standard normal draws, others for each stream.
inline Values Random(size_t n, uint64_t stream) {
  Rng rng(1, {"test", stream});
  Values values(n);
  for (float& value : values) value = static_cast<float>(rng.Normal());
  return values;
}

}  // namespace flsim
