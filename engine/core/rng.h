// Named, counter-based random numbers. A draw depends on the seed, the purpose, the round, the
// client and its position in that stream, never on threads or on what was drawn elsewhere; no
// generator state needs saving.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>

namespace flsim {

/// What a stream of draws is for. Different names give independent streams.
struct Stream {
  std::string_view purpose;
  uint64_t round = 0;   ///< below 2^32
  uint64_t client = 0;  ///< below 2^32
};

/// Philox 4x32-10 (Salmon et al., 2011, "Parallel random numbers: as easy as 1, 2, 3"): the key is
/// a hash of seed and purpose, the counter is (block, round, client).
class Rng {
 public:
  Rng(uint64_t seed, const Stream& stream);

  /// The stream of the same seed and purpose for this round and client, from its start.
  Rng At(uint64_t round, uint64_t client) const;

  /// 32 uniform bits.
  uint32_t Bits() {
    if (next_ == 4) Refill();
    return block_[next_++];
  }
  /// 64 uniform bits.
  uint64_t Bits64() {
    const uint64_t high = Bits();
    return high << 32 | Bits();
  }
  /// The next n draws of Bits(), several times as fast.
  void Fill(uint32_t* out, int64_t n);
  /// Uniform in [0, 1), 53 bits.
  double Uniform() { return static_cast<double>(Bits64() >> 11) * 0x1p-53; }
  /// Uniform in [0, 1), 24 bits.
  float UniformFloat() { return static_cast<float>(Bits() >> 8) * 0x1p-24f; }
  /// Uniform in [0, n), unbiased; n at least 1.
  uint64_t Below(uint64_t n) {
    if (n >> 32 != 0) return BelowLarge(n);
    return BelowSmall(static_cast<uint32_t>(n), [this] { return Bits(); });
  }
  /// Standard normal (Box and Muller, 1958).
  double Normal();
  /// The logarithm of a draw from Gamma(alpha, 1) (Marsaglia and Tsang, 2000); does not underflow
  /// for small alpha.
  double LogGamma(double alpha);

  /// Permutes first[0..n) uniformly (Fisher and Yates).
  template <class T>
  void Shuffle(T* first, int64_t n) {
    // Some draws at a time, so that their elements are on the way when they are swapped.
    uint64_t drawn[kAhead];
    for (int64_t i = n - 1; i > 0;) {
      const int64_t count = i < kAhead ? i : kAhead;
      BelowEach(static_cast<uint64_t>(i) + 1, count, drawn);
      if (i > count) {  // a few elements are in the caches anyway
        for (int64_t j = 0; j < count; ++j) __builtin_prefetch(first + drawn[j], 1);
      }
      for (int64_t j = 0; j < count; ++j) std::swap(first[i - j], first[drawn[j]]);
      i -= count;
    }
  }

 private:
  static constexpr int64_t kAhead = 64;

  void Refill();
  /// drawn[j] = Below(n - j) for j < count, at most kAhead.
  void BelowEach(uint64_t n, int64_t count, uint64_t* drawn);
  /// Lemire (2019), "Fast random integer generation in an interval".
  template <class Bits32>
  static uint64_t BelowSmall(uint32_t n, const Bits32& bits) {
    uint64_t product = uint64_t{bits()} * n;
    if (static_cast<uint32_t>(product) < n) {
      const uint32_t threshold = (0 - n) % n;
      while (static_cast<uint32_t>(product) < threshold) product = uint64_t{bits()} * n;
    }
    return product >> 32;
  }
  /// For any n: below 2^32 as BelowSmall().
  uint64_t BelowLarge(uint64_t n);

  std::array<uint32_t, 2> key_;
  std::array<uint32_t, 4> counter_;
  std::array<uint32_t, 4> block_{};
  int next_ = 4;
  double spare_normal_ = 0;
  bool has_spare_ = false;
};

/// One Philox 4x32-10 block; exposed for its known-answer test.
std::array<uint32_t, 4> Philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

}  // namespace flsim
