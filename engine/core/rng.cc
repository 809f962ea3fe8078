#include "engine/core/rng.h"

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

void Rng::Refill() {
  block_ = Philox(counter_, key_);
  next_ = 0;
  if (++counter_[0] == 0) ++counter_[1];
}

uint64_t Rng::BelowLarge(uint64_t n) {
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
