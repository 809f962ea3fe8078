#include "engine/core/rng.h"

#include <algorithm>
#include <cmath>

#include "engine/core/error.h"

namespace flsim {
namespace {

/// SplitMix64's finaliser (Steele et al., 2014).
uint64_t Mix(uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

uint64_t HashName(std::string_view name) {
  uint64_t hash = 0xCBF29CE484222325u;  // FNV-1a
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  return hash;
}

/// Blocks of one stream that are computed side by side.
constexpr int64_t kLanes = 16;

/// Philox() of `blocks` (at most kLanes) counters from (block, round, client) on, one after the
/// other in `out`. The same bits whatever the instruction set.
__attribute__((target_clones("default", "avx2", "avx512f"))) void Blocks(
    uint64_t block, uint32_t round, uint32_t client, uint32_t key0, uint32_t key1, int64_t blocks,
    uint32_t* out) {
  uint32_t c0[kLanes], c1[kLanes], c2[kLanes], c3[kLanes];
  for (int64_t l = 0; l < kLanes; ++l) {
    const uint64_t counter = block + static_cast<uint64_t>(l);
    c0[l] = static_cast<uint32_t>(counter);
    c1[l] = static_cast<uint32_t>(counter >> 32);
    c2[l] = round;
    c3[l] = client;
  }
  for (int step = 0; step < 10; ++step) {
    for (int64_t l = 0; l < kLanes; ++l) {
      const uint64_t a = uint64_t{0xD2511F53u} * c0[l];
      const uint64_t b = uint64_t{0xCD9E8D57u} * c2[l];
      c0[l] = static_cast<uint32_t>(b >> 32) ^ c1[l] ^ key0;
      c2[l] = static_cast<uint32_t>(a >> 32) ^ c3[l] ^ key1;
      c1[l] = static_cast<uint32_t>(b);
      c3[l] = static_cast<uint32_t>(a);
    }
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  for (int64_t l = 0; l < blocks; ++l) {
    out[4 * l] = c0[l];
    out[4 * l + 1] = c1[l];
    out[4 * l + 2] = c2[l];
    out[4 * l + 3] = c3[l];
  }
}

/// drawn[j] = the number below n - j that 32 bits stand for. False if any draw may have to be
/// rejected to be unbiased, which hardly ever happens.
__attribute__((target_clones("default", "avx2", "avx512f"))) bool ScaleEach(const uint32_t* bits,
                                                                            uint32_t n,
                                                                            int64_t count,
                                                                            uint64_t* drawn) {
  uint32_t rejected = 0;
  for (int64_t j = 0; j < count; ++j) {
    const uint32_t below = n - static_cast<uint32_t>(j);
    const uint64_t product = uint64_t{bits[j]} * below;
    drawn[j] = product >> 32;
    rejected |= static_cast<uint32_t>(product) < below ? 1 : 0;
  }
  return rejected == 0;
}

}  // namespace

std::array<uint32_t, 4> Philox(std::array<uint32_t, 4> c, std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53u} * c[0];
    const uint64_t b = uint64_t{0xCD9E8D57u} * c[2];
    c = {static_cast<uint32_t>(b >> 32) ^ c[1] ^ key[0], static_cast<uint32_t>(b),
         static_cast<uint32_t>(a >> 32) ^ c[3] ^ key[1], static_cast<uint32_t>(a)};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return c;
}

Rng::Rng(uint64_t seed, const Stream& stream) {
  FLSIM_CHECK(stream.round >> 32 == 0 && stream.client >> 32 == 0, stream.purpose, stream.round,
              stream.client);
  const uint64_t key = Mix(Mix(seed) ^ HashName(stream.purpose));
  key_ = {static_cast<uint32_t>(key), static_cast<uint32_t>(key >> 32)};
  counter_ = {0, 0, static_cast<uint32_t>(stream.round), static_cast<uint32_t>(stream.client)};
}

Rng Rng::At(uint64_t round, uint64_t client) const {
  FLSIM_CHECK(round >> 32 == 0 && client >> 32 == 0, round, client);
  Rng rng = *this;
  rng.counter_ = {0, 0, static_cast<uint32_t>(round), static_cast<uint32_t>(client)};
  rng.next_ = 4;
  rng.has_spare_ = false;
  return rng;
}

void Rng::Refill() {
  block_ = Philox(counter_, key_);
  next_ = 0;
  if (++counter_[0] == 0) ++counter_[1];
}

void Rng::Fill(uint32_t* out, int64_t n) {
  for (; n > 0 && next_ < 4; --n) *out++ = block_[static_cast<size_t>(next_++)];
  uint64_t block = uint64_t{counter_[1]} << 32 | counter_[0];
  while (n >= 4) {
    // A last block that is not used up costs nothing more here; Refill() would draw it by itself.
    const int64_t blocks = std::min((n + 3) / 4, kLanes);
    const int64_t count = std::min(n, 4 * blocks);
    uint32_t drawn[4 * kLanes];
    Blocks(block, counter_[2], counter_[3], key_[0], key_[1], blocks, drawn);
    std::copy_n(drawn, count, out);
    std::copy_n(drawn + 4 * (blocks - 1), 4, block_.begin());
    next_ = static_cast<int>(4 - (4 * blocks - count));
    block += static_cast<uint64_t>(blocks);
    out += count;
    n -= count;
  }
  counter_[0] = static_cast<uint32_t>(block);
  counter_[1] = static_cast<uint32_t>(block >> 32);
  for (; n > 0; --n) *out++ = Bits();
}

void Rng::BelowEach(uint64_t n, int64_t count, uint64_t* drawn) {
  if ((n - 1) >> 31 != 0) {
    for (int64_t j = 0; j < count; ++j) drawn[j] = BelowLarge(n - static_cast<uint64_t>(j));
    return;
  }
  uint32_t bits[kAhead];
  Fill(bits, count);
  const auto most = static_cast<uint32_t>(n);
  if (ScaleEach(bits, most, count, drawn)) return;
  int64_t used = 0;
  const auto next = [&] { return used < count ? bits[used++] : Bits(); };
  for (int64_t j = 0; j < count; ++j) drawn[j] = BelowSmall(most - static_cast<uint32_t>(j), next);
}

uint64_t Rng::BelowLarge(uint64_t n) {
  if (n >> 32 == 0) return Below(n);
  unsigned __int128 product = static_cast<unsigned __int128>(Bits64()) * n;
  if (static_cast<uint64_t>(product) < n) {
    const uint64_t threshold = -n % n;
    while (static_cast<uint64_t>(product) < threshold)
      product = static_cast<unsigned __int128>(Bits64()) * n;
  }
  return static_cast<uint64_t>(product >> 64);
}

double Rng::Normal() {
  if (has_spare_) {
    has_spare_ = false;
    return spare_normal_;
  }
  const double radius = std::sqrt(-2 * std::log(1 - Uniform()));
  const double angle = 2 * M_PI * Uniform();
  spare_normal_ = radius * std::sin(angle);
  has_spare_ = true;
  return radius * std::cos(angle);
}

double Rng::LogGamma(double alpha) {
  if (alpha < 1) {
    // Gamma(alpha) = Gamma(alpha + 1) U^(1 / alpha)
    const double log_uniform = std::log(1 - Uniform());
    return LogGamma(alpha + 1) + log_uniform / alpha;
  }
  const double d = alpha - 1.0 / 3;
  const double c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double x = Normal();
    const double v = (1 + c * x) * (1 + c * x) * (1 + c * x);
    if (v > 0 && std::log(1 - Uniform()) < 0.5 * x * x + d - d * v + d * std::log(v))
      return std::log(d * v);
  }
}

}  // namespace flsim
