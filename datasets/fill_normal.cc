// Box and Muller (1958) in blocks: loops of plain arithmetic that the compiler turns into vector
// instructions. Own series for log, sin and cos, because those of the C library take fused
// instructions where the machine has them and so give other bits there.
#include "datasets/fill_normal.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace flsim {
namespace {

constexpr int kPairs = 256;

inline float FloatOf(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

inline uint32_t BitsOf(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

/// out[j] = -2 log(u), u uniform in (0, 1].
__attribute__((target_clones("avx2", "default"))) void SquaredRadii(const uint32_t* random,
                                                                    float* out) {
  for (int j = 0; j < kPairs; ++j) {
    const float u = (static_cast<float>(static_cast<int32_t>(random[j] >> 1)) + 0.5f) * 0x1p-31f;
    // u = m 2^e with m in [sqrt(1/2), sqrt(2)); log m = 2 artanh((m - 1) / (m + 1)).
    const uint32_t bits = BitsOf(u);
    const int32_t e = static_cast<int32_t>(bits - 0x3F3504F3u) >> 23;
    const float m = FloatOf(bits - (static_cast<uint32_t>(e) << 23));
    const float s = (m - 1) / (m + 1), z = s * s;
    const float series = 1 + z * (1.0f / 3 + z * (1.0f / 5 + z * (1.0f / 7 + z * (1.0f / 9))));
    out[j] = -2 * (static_cast<float>(e) * 0.693147181f + 2 * s * series);
  }
}

/// A uniform point on the circle of each radius.
__attribute__((target_clones("avx2", "default"))) void Rotate(const uint32_t* random,
                                                              const float* radius, float* first,
                                                              float* second) {
  for (int j = 0; j < kPairs; ++j) {
    // An angle in [-pi/4, pi/4) from 30 bits; the other two bits choose one of the four quarters.
    const float x =
        static_cast<float>(static_cast<int32_t>(random[j] << 2)) * (0.785398163f * 0x1p-31f);
    const float z = x * x;
    const float sine =
        x * (1 - z * (1.0f / 6 - z * (1.0f / 120 - z * (1.0f / 5040 - z * (1.0f / 362880)))));
    const float cosine =
        1 - z * (1.0f / 2 - z * (1.0f / 24 - z * (1.0f / 720 - z * (1.0f / 40320))));
    const uint32_t s = BitsOf(sine), c = BitsOf(cosine) ^ (random[j] & 0x80000000u);
    const uint32_t swap = 0u - (random[j] >> 30 & 1u);
    first[j] = radius[j] * FloatOf((c & ~swap) | (s & swap));
    second[j] = radius[j] * FloatOf((s & ~swap) | (c & swap));
  }
}

}  // namespace

void FillNormal(Rng& rng, float* out, int64_t n) {
  uint32_t random[2 * kPairs];
  float radius[kPairs], last[2 * kPairs];
  for (int64_t done = 0; done < n; done += 2 * kPairs) {
    const bool fits = n - done >= 2 * kPairs;
    float* block = fits ? out + done : last;
    rng.Fill(random, 2 * kPairs);
    SquaredRadii(random, radius);
    for (float& r : radius) r = std::sqrt(r);
    Rotate(random + kPairs, radius, block, block + kPairs);
    if (!fits) std::copy(last, last + (n - done), out + done);
  }
}

}  // namespace flsim
