#include "datasets/partition.h"

#include <algorithm>
#include <cstring>

#include "engine/core/error.h"

namespace flsim {

std::vector<int32_t> QuantileBins(const std::vector<float>& targets, int32_t bins) {
  const uint64_t n = targets.size();
  FLSIM_CHECK(bins >= 1 && n >> 32 == 0, bins, n);
  // A target and its position in one integer that sorts as the pair does.
  std::vector<uint64_t> keys(n);
  for (uint64_t i = 0; i < n; ++i) {
    const float target = targets[i] + 0.0f;  // makes -0 the equal of 0
    uint32_t bits;
    std::memcpy(&bits, &target, sizeof bits);
    bits ^= bits >> 31 != 0 ? 0xFFFFFFFFu : 0x80000000u;
    keys[i] = uint64_t{bits} << 32 | i;
  }
  std::sort(keys.begin(), keys.end());
  std::vector<int32_t> labels(n);
  for (uint64_t rank = 0; rank < n; ++rank) {
    labels[keys[rank] & 0xFFFFFFFFu] = static_cast<int32_t>(rank * static_cast<uint64_t>(bins) / n);
  }
  return labels;
}

}  // namespace flsim
