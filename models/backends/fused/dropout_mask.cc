#include "models/backends/fused/blocks.h"

namespace flsim::fused {

void DropoutMask::Reserve(int64_t values, int64_t drawn) {
  mask_.Reserve(values);
  words_.Reserve((drawn + 1) / 2);
  bits_.Reserve((drawn + 1) / 2 * 2);
}

void DropoutMask::Draw(Rng& rng, int64_t drawn) {
  const int64_t words = (drawn + 1) / 2;
  rng.Fill(words_.data(), words);
  for (int64_t i = 0; i < words; ++i) {
    bits_[2 * i] = static_cast<uint16_t>(words_[i]);
    bits_[2 * i + 1] = static_cast<uint16_t>(words_[i] >> 16);
  }
}

void DropoutMask::Apply(int64_t draw, int64_t value, int64_t n, float* y) {
  DropoutForward(n, bits_.data() + draw, rule_.dropped, rule_.scale, y, mask_.data() + value);
}

void DropoutMask::Gradient(int64_t value, int64_t n, float* dy) const {
  DropoutGradient(n, mask_.data() + value, rule_.scale, dy);
}

}  // namespace flsim::fused
