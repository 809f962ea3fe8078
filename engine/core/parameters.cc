#include "engine/core/parameters.h"

#include <numeric>

#include "engine/core/error.h"

namespace flsim {

int ParameterLayout::Add(const std::string& name, std::vector<int64_t> shape) {
  const int64_t size = std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
  FLSIM_CHECK(size > 0, name);
  slots_.push_back({name, std::move(shape), size_, size});
  size_ += size;
  return static_cast<int>(slots_.size()) - 1;
}

at::Tensor ParameterLayout::View(const at::Tensor& flat, int index) const {
  const ParameterSlot& slot = (*this)[index];
  return flat.narrow(0, slot.offset, slot.size).view(slot.shape);
}

}  // namespace flsim
