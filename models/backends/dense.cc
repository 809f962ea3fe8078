#include "models/backends/dense.h"

#include <algorithm>
#include <cstring>

// As in engine/core/vector_ops.cc: one body for three instruction sets, with the same bits. The
// lanes and the order in which they are joined are fixed by f alone.
#define FLSIM_CLONES __attribute__((target_clones("default", "avx2", "avx512f")))
#define FLSIM_INLINE __attribute__((always_inline)) inline

namespace flsim {
namespace {

using Float8 = float __attribute__((vector_size(32)));

/// Up to so many features, a row of dw is summed in registers, the batch being in the first cache.
constexpr int64_t kNarrow = 64;

FLSIM_INLINE void Load(const float* from, Float8& to) { std::memcpy(&to, from, sizeof to); }

/// The sums of eight vectors' lanes, each in the order ((s0 + s4) + (s2 + s6)) + ((s1 + s5) + (s3 +
/// s7)).
FLSIM_INLINE void Join(const Float8 (&s)[8], Float8& joined) {
  Float8 fours[4], twos[2];
  for (int i = 0; i < 4; ++i) {
    fours[i] = __builtin_shufflevector(s[i], s[i + 4], 0, 1, 2, 3, 8, 9, 10, 11) +
               __builtin_shufflevector(s[i], s[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
  for (int i = 0; i < 2; ++i) {
    const Float8 &a = fours[2 * i], &b = fours[2 * i + 1];
    twos[i] = __builtin_shufflevector(a, b, 0, 1, 8, 9, 4, 5, 12, 13) +
              __builtin_shufflevector(a, b, 2, 3, 10, 11, 6, 7, 14, 15);
  }
  joined = __builtin_shufflevector(twos[0], twos[1], 0, 2, 8, 10, 4, 6, 12, 14) +
           __builtin_shufflevector(twos[0], twos[1], 1, 3, 9, 11, 5, 7, 13, 15);
}

/// z = X W' + b for E rows of x and C rows of w, at most eight products: each value read serves E
/// or C of them.
template <int E, int C>
FLSIM_INLINE void Tile(const float* x, const float* w, const float* b, int64_t f, int64_t k,
                       float* z) {
  Float8 sums[8] = {}, tails = {};
  int64_t j = 0;
  for (; j + 8 <= f; j += 8) {
    Float8 rows[C];
    for (int c = 0; c < C; ++c) Load(w + c * f + j, rows[c]);
    for (int e = 0; e < E; ++e) {
      Float8 values;
      Load(x + e * f + j, values);
      for (int c = 0; c < C; ++c) sums[e * C + c] += values * rows[c];
    }
  }
  Float8 all, bias = {};
  for (; j < f; ++j) {
    Float8 values = {}, row = {};
    for (int i = 0; i < E * C; ++i) {
      values[i] = x[i / C * f + j];
      row[i] = w[i % C * f + j];
    }
    // A lone weight as a scalar: GCC broadcasts it, but would fill a vector lane by lane.
    tails += C == 1 ? values * w[j] : values * row;
  }
  Join(sums, all);
  for (int i = 0; i < E * C; ++i) bias[i] = b[i % C];
  all += tails;
  all = C == 1 ? all + b[0] : all + bias;
  if (C == 1 && k == 1) {
    std::memcpy(z, &all, E * sizeof(float));
    return;
  }
  for (int e = 0; e < E; ++e) std::memcpy(z + e * k, &all[0] + e * C, C * sizeof(float));
}

/// All rows of x against C rows of w.
template <int C>
FLSIM_INLINE void Strip(const float* x, const float* w, const float* b, int64_t n, int64_t f,
                        int64_t k, float* z) {
  constexpr int kMost = 8 / C;
  int64_t i = 0;
  for (; i + kMost <= n; i += kMost) Tile<kMost, C>(x + i * f, w, b, f, k, z + i * k);
  for (; i + 2 <= n; i += 2) Tile<2, C>(x + i * f, w, b, f, k, z + i * k);
  if (i < n) Tile<1, C>(x + i * f, w, b, f, k, z + i * k);
}

FLSIM_CLONES void Forward(const float* x, const float* w, const float* b, int64_t n, int64_t f,
                          int64_t k, float* z) {
  int64_t c = 0;
  for (; c + 4 <= k; c += 4) Strip<4>(x, w + c * f, b + c, n, f, k, z + c);
  if (c + 2 <= k) {
    Strip<2>(x, w + c * f, b + c, n, f, k, z + c);
    c += 2;
  }
  if (c < k) Strip<1>(x, w + c * f, b + c, n, f, k, z + c);
}

/// B blocks of eight columns of one row of dw, from j on, held in registers over all examples. `d`:
/// their column of D. A block that would pass the row's end ends with it and overlaps the one
/// before.
template <int B>
FLSIM_INLINE void Columns(const float* x, const float* d, int64_t n, int64_t f, int64_t k,
                          int64_t j, float* row) {
  Float8 sums[B] = {};
  int64_t starts[B];
  for (int b = 0; b < B; ++b) starts[b] = std::min(j + 8 * b, f - 8);
  int64_t i = 0;
  for (; i + 4 <= n; i += 4) {
    const float d0 = d[i * k], d1 = d[(i + 1) * k], d2 = d[(i + 2) * k], d3 = d[(i + 3) * k];
    for (int b = 0; b < B; ++b) {
      const float* from = x + i * f + starts[b];
      Float8 x0, x1, x2, x3;
      Load(from, x0);
      Load(from + f, x1);
      Load(from + 2 * f, x2);
      Load(from + 3 * f, x3);
      sums[b] += (d0 * x0 + d1 * x1) + (d2 * x2 + d3 * x3);
    }
  }
  for (; i < n; ++i) {
    for (int b = 0; b < B; ++b) {
      Float8 values;
      Load(x + i * f + starts[b], values);
      sums[b] += d[i * k] * values;
    }
  }
  // The last block first: whoever reads the row soon after then finds whole blocks in the store
  // buffer.
  for (int b = B - 1; b >= 0; --b) std::memcpy(row + starts[b], &sums[b], sizeof sums[b]);
}

/// The weights' part of Backward() for a few columns, with the same bits.
FLSIM_INLINE void BackwardNarrow(const float* x, const float* d, int64_t n, int64_t f, int64_t k,
                                 float* dw) {
  for (int64_t c = 0; c < k; ++c) {
    int64_t j = 0;
    for (; j + 8 < f; j += 16) Columns<2>(x, d + c, n, f, k, j, dw + c * f);
    if (j < f) Columns<1>(x, d + c, n, f, k, j, dw + c * f);
  }
}

FLSIM_INLINE void BiasBackward(const float* d, int64_t n, int64_t k, float* db) {
  for (int64_t c = 0; c < k; ++c) {
    float sum = 0;
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) {
      const float* e = d + i * k + c;
      sum += (e[0] + e[k]) + (e[2 * k] + e[3 * k]);
    }
    for (; i < n; ++i) sum += d[i * k + c];
    db[c] = sum;
  }
}

FLSIM_CLONES void Backward(const float* __restrict x, const float* __restrict d, int64_t n,
                           int64_t f, int64_t k, float* __restrict dw, float* __restrict db) {
  BiasBackward(d, n, k, db);
  if (f >= 8 && f <= kNarrow) return BackwardNarrow(x, d, n, f, k, dw);
  std::fill(dw, dw + k * f, 0.0f);
  int64_t i = 0;
  // Four examples at a time, so that dw is read and written a quarter as often.
  for (; i + 4 <= n; i += 4, x += 4 * f, d += 4 * k) {
    for (int64_t c = 0; c < k; ++c) {
      const float d0 = d[c], d1 = d[k + c], d2 = d[2 * k + c], d3 = d[3 * k + c];
      float* row = dw + c * f;
      for (int64_t j = 0; j < f; ++j) {
        row[j] += (d0 * x[j] + d1 * x[f + j]) + (d2 * x[2 * f + j] + d3 * x[3 * f + j]);
      }
    }
  }
  for (; i < n; ++i, x += f, d += k) {
    for (int64_t c = 0; c < k; ++c) {
      float* row = dw + c * f;
      for (int64_t j = 0; j < f; ++j) row[j] += d[c] * x[j];
    }
  }
}

}  // namespace

void DenseForward(const float* x, const float* w, const float* b, int64_t n, int64_t f, int64_t k,
                  float* z) {
  Forward(x, w, b, n, f, k, z);
}

void DenseBackward(const float* x, const float* d, int64_t n, int64_t f, int64_t k, float* dw,
                   float* db) {
  Backward(x, d, n, f, k, dw, db);
}

}  // namespace flsim
