#include <algorithm>
#include <cmath>

#include "models/backends/fused/blocks.h"

namespace flsim::fused {

DropoutMask::DropoutMask(double p) {
  constexpr int kRange = 1 << 16;
  const int dropped = std::min(static_cast<int>(std::lround(p * kRange)), kRange - 1);
  dropped_ = static_cast<uint16_t>(dropped);
  scale_ = static_cast<float>(kRange) / static_cast<float>(kRange - dropped);
}

void DropoutMask::Reserve(int64_t values, int64_t drawn) {
  mask_.Reserve(values);
  bits_.Reserve((drawn + 1) / 2);
}

void DropoutMask::Draw(Rng& rng, int64_t drawn) { rng.Fill(bits_.data(), (drawn + 1) / 2); }

void DropoutMask::Apply(int64_t draw, int64_t value, int64_t n, float* y) {
  DropoutForward(n, reinterpret_cast<const uint16_t*>(bits_.data()) + draw, dropped_, scale_, y,
                 mask_.data() + value);
}

void DropoutMask::Gradient(int64_t value, int64_t n, float* dy) const {
  DropoutGradient(n, mask_.data() + value, scale_, dy);
}

}  // namespace flsim::fused
