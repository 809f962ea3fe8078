// The inner loops of CohortMatrix, on plain arrays. Included by cohort_matrix.cc alone.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

// As in engine/core/vector_ops.cc: one body for three instruction sets, with the same bits.
#define FLSIM_CLONES __attribute__((target_clones("default", "avx2", "avx512f")))

namespace flsim {

using Float8 = float __attribute__((vector_size(32)));
using Double8 = double __attribute__((vector_size(64)));

/// Columns that are sorted at once: a tile of a hundred rows fits the first-level cache.
constexpr int64_t kTile = 32;
/// Columns that are copied at once, for whole cache lines and few open pages.
constexpr int64_t kSlab = 8 * kTile;
/// Columns whose squares are summed in float32, in 8 lanes.
constexpr int64_t kStrip = 512;

inline double Sum(const Double8& x) {
  return ((x[0] + x[4]) + (x[2] + x[6])) + ((x[1] + x[5]) + (x[3] + x[7]));
}

/// Pairs (i, i + distance) that, compared and exchanged in this order, sort n values: merge
/// exchange (Batcher, 1968; Knuth, volume 3, algorithm 5.2.2M).
inline std::vector<std::pair<int64_t, int64_t>> SortingNetwork(int64_t n) {
  std::vector<std::pair<int64_t, int64_t>> pairs;
  int64_t top = 1;
  while (2 * top < n) top *= 2;
  for (int64_t p = top; p > 0 && n > 1; p /= 2) {
    int64_t q = top, r = 0, distance = p;
    for (;;) {
      for (int64_t i = 0; i + distance < n; ++i) {
        if ((i & p) == r) pairs.emplace_back(i, i + distance);
      }
      if (q == p) break;
      distance = q - p;
      q /= 2;
      r = p;
    }
  }
  return pairs;
}

/// Sorts each of the kTile columns of a tile [n, kTile].
FLSIM_CLONES static void SortTile(float* tile, const std::pair<int64_t, int64_t>* pairs,
                                  size_t count) {
  for (size_t k = 0; k < count; ++k) {
    float* low = tile + pairs[k].first * kTile;
    float* high = tile + pairs[k].second * kTile;
#pragma GCC ivdep
    for (int64_t c = 0; c < kTile; ++c) {
      const float a = low[c], b = high[c];
      low[c] = a < b ? a : b;
      high[c] = a < b ? b : a;
    }
  }
}

/// sums[i * n + j] += ||x_i - x_j||^2 over `width` columns (up to kStrip) for A rows from i on and
/// B rows from j on.
template <int A, int B>
inline __attribute__((always_inline)) void StripTile(const float* const* x, int64_t n, int64_t i,
                                                     int64_t j, int64_t begin, int64_t width,
                                                     double* sums) {
  Float8 lanes[A][B] = {};
  int64_t c = 0;
  for (; c + 8 <= width; c += 8) {
    Float8 left[A], right[B];
    for (int a = 0; a < A; ++a) std::memcpy(&left[a], x[i + a] + begin + c, sizeof(Float8));
    for (int b = 0; b < B; ++b) std::memcpy(&right[b], x[j + b] + begin + c, sizeof(Float8));
    for (int a = 0; a < A; ++a) {
      for (int b = 0; b < B; ++b) {
        const Float8 difference = left[a] - right[b];
        lanes[a][b] += difference * difference;
      }
    }
  }
  for (int a = 0; a < A; ++a) {
    for (int b = 0; b < B; ++b) {
      double sum = Sum(__builtin_convertvector(lanes[a][b], Double8));
      for (int64_t k = c; k < width; ++k) {
        const double difference = static_cast<double>(x[i + a][begin + k]) - x[j + b][begin + k];
        sum += difference * difference;
      }
      sums[(i + a) * n + j + b] += sum;
    }
  }
}

/// Adds the strip's share to all pairs i <= j (and to some others, which are not used).
FLSIM_CLONES static void StripDistances(const float* const* x, int64_t n, int64_t begin,
                                        int64_t width, double* sums) {
  for (int64_t i = 0; i < n; i += 2) {
    for (int64_t j = i / 4 * 4; j < n; j += 4) {
      if (i + 2 <= n && j + 4 <= n) {
        StripTile<2, 4>(x, n, i, j, begin, width, sums);
      } else {
        for (int64_t a = i; a < std::min(i + 2, n); ++a) {
          for (int64_t b = j; b < std::min(j + 4, n); ++b)
            StripTile<1, 1>(x, n, a, b, begin, width, sums);
        }
      }
    }
  }
}

template <bool kDifference>
inline __attribute__((always_inline)) double Inner(const float* x, const float* y, int64_t n) {
  Double8 lanes{};
  double tail = 0;
  int64_t c = 0;
  for (; c + 8 <= n; c += 8) {
    Float8 x8, y8;
    std::memcpy(&x8, x + c, sizeof x8);
    std::memcpy(&y8, y + c, sizeof y8);
    const Double8 u = __builtin_convertvector(x8, Double8);
    const Double8 v = __builtin_convertvector(y8, Double8);
    lanes += kDifference ? (u - v) * (u - v) : u * v;
  }
  for (; c < n; ++c) {
    const double u = x[c], v = y[c];
    tail += kDifference ? (u - v) * (u - v) : u * v;
  }
  return Sum(lanes) + tail;
}

FLSIM_CLONES static double InnerProduct(const float* x, const float* y, int64_t n) {
  return Inner<false>(x, y, n);
}
FLSIM_CLONES static double SquaredDistance(const float* x, const float* y, int64_t n) {
  return Inner<true>(x, y, n);
}

FLSIM_CLONES static void AddScaledLoop(double* sum, double weight, const float* x, int64_t n) {
#pragma GCC ivdep
  for (int64_t c = 0; c < n; ++c) sum[c] += weight * static_cast<double>(x[c]);
}

/// out = factor * the sum of the listed rows of a tile [rows, kTile] in double precision.
FLSIM_CLONES static void MeanOfTileRows(const double* tile, const std::vector<int64_t>& rows,
                                        double divisor, float* out, int64_t width) {
  Double8 sums[kTile / 8] = {};
  for (const int64_t row : rows) {
    for (int64_t k = 0; k < kTile / 8; ++k) {
      Double8 x;
      std::memcpy(&x, tile + row * kTile + 8 * k, sizeof x);
      sums[k] += x;
    }
  }
  for (int64_t c = 0; c < width; ++c) out[c] = static_cast<float>(sums[c / 8][c % 8] / divisor);
}

}  // namespace flsim
