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

std::pair<Partition, Partition> HoldOut(const Partition& partition, double fraction,
                                        uint64_t seed) {
  Partition training{{0}, {}}, held_out{{0}, {}};
  std::vector<int64_t> order;
  for (int64_t client = 0; client < partition.clients(); ++client) {
    const int64_t size = partition.size(client);
    order.assign(partition.begin(client), partition.begin(client) + size);
    Rng(seed, {"held_out", 0, static_cast<uint64_t>(client)}).Shuffle(order.data(), size);
    const auto held =
        std::min(size - 1, static_cast<int64_t>(fraction * static_cast<double>(size)));
    std::sort(order.begin(), order.begin() + held);
    std::sort(order.begin() + held, order.end());
    held_out.indices.insert(held_out.indices.end(), order.begin(), order.begin() + held);
    held_out.offsets.push_back(static_cast<int64_t>(held_out.indices.size()));
    training.indices.insert(training.indices.end(), order.begin() + held, order.end());
    training.offsets.push_back(static_cast<int64_t>(training.indices.size()));
  }
  return {std::move(training), std::move(held_out)};
}

}  // namespace flsim
