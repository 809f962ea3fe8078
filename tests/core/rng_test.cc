#include "engine/core/rng.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>
#include <set>
#include <vector>

#include "engine/core/error.h"

namespace flsim {
namespace {

/// Mean and variance of n draws.
template <class Draw>
std::pair<double, double> Moments(int n, Draw draw) {
  double sum = 0, squares = 0;
  for (int i = 0; i < n; ++i) {
    const double x = draw();
    sum += x;
    squares += x * x;
  }
  return {sum / n, squares / n - sum / n * (sum / n)};
}

/// Pearson's statistic of `counts` against equal expectations.
double ChiSquared(const std::vector<int>& counts, double total) {
  const double expected = total / static_cast<double>(counts.size());
  double sum = 0;
  for (const int count : counts) sum += (count - expected) * (count - expected) / expected;
  return sum;
}

TEST_CASE("Fill gives the draws of Bits, from anywhere in a block and of any number") {
  for (const int64_t before : {0, 1, 2, 3, 4, 5}) {
    for (const int64_t n : {0, 1, 3, 4, 7, 63, 64, 65, 200}) {
      Rng one(7, {"fill", 3, 5}), other(7, {"fill", 3, 5});
      for (int64_t i = 0; i < before; ++i) REQUIRE(one.Bits() == other.Bits());
      std::vector<uint32_t> filled(static_cast<size_t>(n));
      one.Fill(filled.data(), n);
      for (const uint32_t bits : filled) REQUIRE(bits == other.Bits());
      for (int i = 0; i < 9; ++i) REQUIRE(one.Bits() == other.Bits());
    }
  }
}

TEST_CASE("Shuffle is Fisher and Yates with one draw of Below for each place") {
  // Of a million draws, some dozens have to be rejected to be unbiased.
  for (const int64_t n : {0, 1, 2, 33, 64, 65, 66, 1000, 1000000}) {
    Rng one(7, {"shuffle"}), other(7, {"shuffle"});
    std::vector<int64_t> shuffled(static_cast<size_t>(n)), expected;
    std::iota(shuffled.begin(), shuffled.end(), 0);
    expected = shuffled;
    one.Shuffle(shuffled.data(), n);
    for (int64_t i = n - 1; i > 0; --i) {
      const uint64_t drawn = other.Below(static_cast<uint64_t>(i) + 1);
      std::swap(expected[static_cast<size_t>(i)], expected[drawn]);
    }
    REQUIRE(shuffled == expected);
    REQUIRE(one.Bits() == other.Bits());
  }
}

}  // namespace

TEST_CASE("Philox gives the published answers") {
  // Random123 1.14, tests/kat_vectors, "philox4x32 10".
  using Counter = std::array<uint32_t, 4>;
  CHECK(Philox({0, 0, 0, 0}, {0, 0}) == Counter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(Philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}) ==
        Counter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(Philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Counter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("a stream is the same each time and its own") {
  Rng a(1, {"shuffle", 3, 5}), same(1, {"shuffle", 3, 5});
  std::vector<uint64_t> draws;
  for (int i = 0; i < 9; ++i) {
    draws.push_back(a.Bits64());
    CHECK(draws.back() == same.Bits64());
  }
  std::set<uint64_t> firsts = {draws[0]};
  for (const Stream& other : {Stream{"shuffle", 3, 6}, Stream{"shuffle", 4, 5},
                              Stream{"shuffle", 5, 3}, Stream{"dropout", 3, 5}, Stream{"", 3, 5}}) {
    firsts.insert(Rng(1, other).Bits64());
  }
  firsts.insert(Rng(2, {"shuffle", 3, 5}).Bits64());
  firsts.insert(Rng(0, {"shuffle", 3, 5}).Bits64());
  CHECK(firsts.size() == 8);
}

TEST_CASE("a stream of another round and client is that which its name makes") {
  Rng used(1, {"shuffle", 9, 9});
  used.Normal();  // leaves a block and a second normal half used
  Rng moved = used.At(3, 5), named(1, {"shuffle", 3, 5});
  CHECK(moved.Normal() == named.Normal());
  for (int i = 0; i < 9; ++i) CHECK(moved.Bits() == named.Bits());
  CHECK_THROWS_AS(used.At(uint64_t{1} << 32, 0), InternalError);
}

TEST_CASE("neighbouring streams are not correlated") {
  // The correlation of two independent streams of n draws is about normal with deviation 1/sqrt(n).
  constexpr int kDraws = 20000;
  const std::vector<std::pair<Rng, Rng>> pairs = {{Rng(1, {"a", 0, 0}), Rng(1, {"a", 0, 1})},
                                                  {Rng(1, {"a", 0, 0}), Rng(1, {"a", 1, 0})},
                                                  {Rng(1, {"a", 0, 0}), Rng(2, {"a", 0, 0})},
                                                  {Rng(1, {"a", 0, 0}), Rng(1, {"b", 0, 0})},
                                                  {Rng(1, {"a", 1, 0}), Rng(1, {"a", 0, 1})}};
  for (auto [left, right] : pairs) {
    double sum = 0;
    for (int i = 0; i < kDraws; ++i) sum += (left.Uniform() - 0.5) * (right.Uniform() - 0.5) * 12;
    CHECK(std::abs(sum / kDraws) < 4.5 / std::sqrt(kDraws));
  }
}

TEST_CASE("a round or client of more than 32 bits is a bug, not another stream's draws") {
  CHECK_THROWS_AS(Rng(1, {"a", uint64_t{1} << 32, 0}), InternalError);
  CHECK_THROWS_AS(Rng(1, {"a", 0, uint64_t{1} << 32}), InternalError);
  CHECK_NOTHROW(Rng(1, {"a", 0xffffffff, 0xffffffff}));
}

TEST_CASE("uniform draws lie in [0, 1) and fill it evenly") {
  constexpr int kDraws = 200000;
  Rng rng(7, {"uniform"});
  std::vector<int> counts(100), float_counts(100);
  for (int i = 0; i < kDraws; ++i) {
    const double x = rng.Uniform();
    const float y = rng.UniformFloat();
    REQUIRE((x >= 0 && x < 1 && y >= 0 && y < 1));
    ++counts[static_cast<size_t>(x * 100)];
    ++float_counts[static_cast<size_t>(y * 100)];
  }
  // 99 degrees of freedom: mean 99, deviation 14.1; 1 in 10^5 exceeds 170.
  CHECK(ChiSquared(counts, kDraws) < 170);
  CHECK(ChiSquared(float_counts, kDraws) < 170);
  CHECK(ChiSquared(counts, kDraws) > 50);
}

TEST_CASE("every bit is one half of the time") {
  constexpr int kDraws = 100000;
  Rng rng(3, {"bits"});
  std::vector<int> ones(32);
  for (int i = 0; i < kDraws; ++i) {
    const uint32_t bits = rng.Bits();
    for (size_t b = 0; b < 32; ++b) ones[b] += bits >> b & 1;
  }
  for (const int count : ones) CHECK(std::abs(count - kDraws / 2) < 5 * std::sqrt(kDraws) / 2);
}

TEST_CASE("Below is unbiased where a modulus or a scaled fraction would not be") {
  // n = 3/4 of the range: x mod n would hit the lower third twice as often.
  constexpr int kDraws = 100000;
  for (const uint64_t n : {uint64_t{3} << 30, uint64_t{3} << 62}) {
    Rng rng(5, {"below"});
    std::vector<int> thirds(3);
    for (int i = 0; i < kDraws; ++i) {
      const uint64_t x = rng.Below(n);
      REQUIRE(x < n);
      ++thirds[static_cast<size_t>(x / (n / 3))];
    }
    // 2 degrees of freedom: 1 in 10^5 exceeds 23.
    CHECK(ChiSquared(thirds, kDraws) < 23);
    // A multiply-and-shift without rejection gives every fourth residue class of 3 twice the mass.
    Rng again(5, {"below"});
    std::vector<int> residues(3);
    for (int i = 0; i < kDraws; ++i) ++residues[again.Below(n) % 3];
    CHECK(ChiSquared(residues, kDraws) < 23);
  }
}

TEST_CASE("Below reaches every value of a small range equally often") {
  constexpr int kDraws = 70000;
  Rng rng(11, {"die"});
  std::vector<int> counts(7);
  for (int i = 0; i < kDraws; ++i) ++counts.at(rng.Below(7));
  CHECK(ChiSquared(counts, kDraws) < 35);  // 6 degrees of freedom: 1 in 10^5 exceeds 33
  for (int i = 0; i < 100; ++i) CHECK(rng.Below(1) == 0);
}

TEST_CASE("normal draws have the moments and tails of a normal") {
  constexpr int kDraws = 400000;
  Rng rng(13, {"normal"});
  double third = 0, fourth = 0;
  int beyond = 0;
  const auto [mean, variance] = Moments(kDraws, [&] {
    const double x = rng.Normal();
    third += x * x * x;
    fourth += x * x * x * x;
    beyond += std::abs(x) > 3;
    return x;
  });
  const double root = std::sqrt(kDraws);
  CHECK(std::abs(mean) < 4.5 / root);
  CHECK(std::abs(variance - 1) < 4.5 * std::sqrt(2) / root);
  CHECK(std::abs(third / kDraws) < 4.5 * std::sqrt(15) / root);
  CHECK(std::abs(fourth / kDraws - 3) < 4.5 * std::sqrt(96) / root);
  CHECK(std::abs(beyond - 0.0026998 * kDraws) < 4.5 * std::sqrt(0.0027 * kDraws));
}

TEST_CASE("gamma draws have mean and variance alpha") {
  constexpr int kDraws = 200000;
  for (const double alpha : {0.1, 0.5, 1.0, 2.5, 40.0}) {
    INFO(alpha);
    Rng rng(17, {"gamma"});
    const auto [mean, variance] = Moments(kDraws, [&] { return std::exp(rng.LogGamma(alpha)); });
    // The variance of the sample variance is about (2 + 6 / alpha) alpha^2 / n.
    CHECK(std::abs(mean - alpha) < 4.5 * std::sqrt(alpha / kDraws));
    CHECK(std::abs(variance - alpha) < 5 * alpha * std::sqrt((2 + 6 / alpha) / kDraws));
  }
}

TEST_CASE("the logarithm of a gamma draw has mean digamma(alpha)") {
  constexpr int kDraws = 200000;
  // digamma and trigamma at 1 and 1/2, exact: -gamma, pi^2/6; -gamma - 2 ln 2, pi^2/2.
  constexpr double kEuler = 0.57721566490153286;
  Rng rng(19, {"log gamma"});
  const auto [one, one_variance] = Moments(kDraws, [&] { return rng.LogGamma(1); });
  CHECK(std::abs(one + kEuler) < 4.5 * std::sqrt(M_PI * M_PI / 6 / kDraws));
  CHECK(one_variance == Approx(M_PI * M_PI / 6).epsilon(0.02));
  const auto [half, half_variance] = Moments(kDraws, [&] { return rng.LogGamma(0.5); });
  CHECK(std::abs(half + kEuler + 2 * std::log(2)) < 4.5 * std::sqrt(M_PI * M_PI / 2 / kDraws));
  CHECK(half_variance == Approx(M_PI * M_PI / 2).epsilon(0.02));
}

TEST_CASE("gamma draws of a tiny shape stay finite") {
  Rng rng(23, {"tiny"});
  for (int i = 0; i < 10000; ++i) {
    const double x = rng.LogGamma(1e-6);
    REQUIRE(std::isfinite(x));
    REQUIRE(x < 5);
  }
}

TEST_CASE("a shuffle gives each order equally often and keeps what it shuffles") {
  constexpr int kDraws = 60000;
  Rng rng(29, {"shuffle"});
  std::vector<int> counts(27);
  for (int i = 0; i < kDraws; ++i) {
    int cards[3] = {0, 1, 2};
    rng.Shuffle(cards, 3);
    REQUIRE(cards[0] + cards[1] + cards[2] == 3);
    ++counts[static_cast<size_t>(cards[0] * 9 + cards[1] * 3 + cards[2])];
  }
  std::vector<int> orders;
  for (const int count : counts) {
    if (count > 0) orders.push_back(count);
  }
  REQUIRE(orders.size() == 6);
  CHECK(ChiSquared(orders, kDraws) < 31);  // 5 degrees of freedom: 1 in 10^5 exceeds 30.9
}

}  // namespace flsim
