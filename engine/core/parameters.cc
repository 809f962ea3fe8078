#include "engine/core/parameters.h"

#include <numeric>

#include "engine/core/error.h"

namespace flsim {

int ParameterLayout::Add(const std::string& name, std::vector<int64_t> shape,
                         const std::string& layer) {
  const int64_t size = std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
  FLSIM_CHECK(size > 0, name);
  slots_.push_back({name, layer, std::move(shape), size_, size});
  size_ += size;
  return static_cast<int>(slots_.size()) - 1;
}

at::Tensor ParameterLayout::View(const at::Tensor& flat, int index) const {
  const ParameterSlot& slot = (*this)[index];
  return flat.narrow(0, slot.offset, slot.size).view(slot.shape);
}

std::vector<ParameterRange> ParameterLayout::Ranges(
    const std::function<bool(const ParameterSlot&)>& wanted) const {
  std::vector<ParameterRange> ranges;
  for (const ParameterSlot& slot : slots_) {
    if (!wanted(slot)) continue;
    if (!ranges.empty() && ranges.back().begin + ranges.back().size == slot.offset) {
      ranges.back().size += slot.size;
    } else {
      ranges.push_back({slot.offset, slot.size});
    }
  }
  return ranges;
}

std::vector<ParameterRange> ParameterLayout::Complement(
    const std::vector<ParameterRange>& ranges) const {
  std::vector<ParameterRange> others;
  int64_t at = 0;
  for (const ParameterRange& range : ranges) {
    if (range.begin > at) others.push_back({at, range.begin - at});
    at = range.begin + range.size;
  }
  if (at < size_) others.push_back({at, size_ - at});
  return others;
}

}  // namespace flsim
