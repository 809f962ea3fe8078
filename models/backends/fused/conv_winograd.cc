// Winograd's F(2x2, kxk). A 2x2 tile of outputs comes from a T x T tile of inputs, T = k + 1, by
//   Y = A' [ sum over inputs of (G w G') * (B' X B) ] A        (* element by element)
// with the matrices of Lavin and Gray (2016) for k = 3, points 0, 1, -1, and for k = 5, points 0,
// 1, -1, 2, -2. One row of tiles at a time:
//   1. B' down the columns of the input rows, then along each tile: V[T T][tile][input]
//   2. for each of the T T places a product of matrices, tiles x inputs by inputs x outputs, in
//      register tiles of up to 14 tiles x 2 registers of outputs: M[T T][tile][output]
//   3. A' on both sides, bias, ReLU, and where the layer pools the maximum of the tile, which is
//      exactly one pooling window.
#include "models/backends/fused/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "models/backends/fused/conv_winograd.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "models/backends/fused/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace flsim::fused::HWY_NAMESPACE {
namespace {

constexpr int kMostTiles = kRegisters >= 32 ? 14 : 6;

/// o = B' d for one column of a tile.
template <int T>
HWY_INLINE void TransformInput(const V* d, V* o) {
  if constexpr (T == 4) {
    o[0] = hn::Sub(d[0], d[2]);
    o[1] = hn::Add(d[1], d[2]);
    o[2] = hn::Sub(d[2], d[1]);
    o[3] = hn::Sub(d[1], d[3]);
  } else {
    const D tag;
    const V two = hn::Set(tag, 2), four = hn::Set(tag, 4), five = hn::Set(tag, 5);
    const V a = hn::NegMulAdd(four, d[2], d[4]), b = hn::NegMulAdd(four, d[1], d[3]);
    const V c = hn::Sub(d[4], d[2]), e = hn::Mul(two, hn::Sub(d[3], d[1]));
    o[0] = hn::MulAdd(four, d[0], hn::NegMulAdd(five, d[2], d[4]));
    o[1] = hn::Add(a, b);
    o[2] = hn::Sub(a, b);
    o[3] = hn::Add(c, e);
    o[4] = hn::Sub(c, e);
    o[5] = hn::MulAdd(four, d[1], hn::NegMulAdd(five, d[3], d[5]));
  }
}

/// y = A' m for one column of a tile.
template <int T>
HWY_INLINE void TransformOutput(const V* m, V& y0, V& y1) {
  if constexpr (T == 4) {
    y0 = hn::Add(hn::Add(m[0], m[1]), m[2]);
    y1 = hn::Sub(hn::Sub(m[1], m[2]), m[3]);
  } else {
    y0 = hn::Add(hn::Add(m[0], hn::Add(m[1], m[2])), hn::Add(m[3], m[4]));
    y1 = hn::Add(hn::MulAdd(hn::Set(D(), 2), hn::Sub(m[3], m[4]), hn::Sub(m[1], m[2])), m[5]);
  }
}

/// Memory of one row of tiles.
struct Row {
  int64_t tiles, columns;  ///< columns of the input that it reads
  float *rows, *v, *m;     ///< [T][columns][inputs], V and M

  Row(const ConvShape& shape, float* scratch) {
    const int64_t t = shape.kernel + 1;
    tiles = shape.width / 2;
    columns = 2 * tiles + t - 2;
    rows = scratch;
    v = rows + t * columns * shape.inputs;
    m = v + t * t * tiles * shape.inputs;
  }
};

template <int T>
void InputTiles(const ConvShape& shape, const float* x, const Row& row) {
  const D d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t size = row.columns * shape.inputs;
  for (int64_t i = 0; i < size; i += lanes) {
    V in[T], out[T];
    FLSIM_UNROLL for (int k = 0; k < T; ++k) in[k] = hn::LoadU(d, x + k * shape.in_row + i);
    TransformInput<T>(in, out);
    FLSIM_UNROLL for (int k = 0; k < T; ++k) hn::StoreU(out[k], d, row.rows + k * size + i);
  }
  const int64_t place = row.tiles * shape.inputs;
  for (int64_t a = 0; a < T; ++a) {
    for (int64_t tile = 0; tile < row.tiles; ++tile) {
      const float* from = row.rows + a * size + 2 * tile * shape.inputs;
      float* to = row.v + a * T * place + tile * shape.inputs;
      for (int64_t i = 0; i < shape.inputs; i += lanes) {
        V in[T], out[T];
        FLSIM_UNROLL for (int k = 0; k < T; ++k) in[k] = hn::LoadU(d, from + k * shape.inputs + i);
        TransformInput<T>(in, out);
        FLSIM_UNROLL for (int k = 0; k < T; ++k) hn::StoreU(out[k], d, to + k * place + i);
      }
    }
  }
}

/// m[tile][output] = sum over inputs of v[tile][input] w[input][output], for kTiles tiles and the
/// kVectors registers of outputs from w0 (and w1) on.
template <int kTiles, int kVectors>
void Product(int64_t inputs, int64_t outputs, const float* v, const float* w0, const float* w1,
             float* m0, float* m1) {
  const D d;
  V sum[kVectors][kTiles];
  FLSIM_UNROLL for (int k = 0; k < kVectors; ++k) {
    FLSIM_UNROLL for (int t = 0; t < kTiles; ++t) sum[k][t] = hn::Zero(d);
  }
  const Columns columns(inputs * static_cast<int64_t>(sizeof(float)));
  const char* row = reinterpret_cast<const char*>(v);
  for (int64_t i = 0; i < inputs; ++i, row += sizeof(float), w0 += kBlock, w1 += kBlock) {
    const V first = hn::LoadU(d, w0), second = hn::LoadU(d, w1);
    FLSIM_UNROLL for (int t = 0; t < kTiles; ++t) {
      const V value = hn::Set(d, *columns.At(row, t));
      sum[0][t] = hn::MulAdd(first, value, sum[0][t]);
      if (kVectors == 2) sum[kVectors - 1][t] = hn::MulAdd(second, value, sum[kVectors - 1][t]);
    }
  }
  FLSIM_UNROLL for (int t = 0; t < kTiles; ++t) {
    hn::StoreU(sum[0][t], d, m0 + t * outputs);
    if (kVectors == 2) hn::StoreU(sum[kVectors - 1][t], d, m1 + t * outputs);
  }
}

template <int kVectors>
void ProductOf(int64_t tiles, int64_t inputs, int64_t outputs, const float* v, const float* w0,
               const float* w1, float* m0, float* m1) {
  WithCount<kMostTiles>(
      tiles, [&](auto n) HWY_ATTR { Product<n, kVectors>(inputs, outputs, v, w0, w1, m0, m1); });
}

template <int T>
void Products(const ConvShape& shape, const float* transformed, const Row& row) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(D()));
  const int64_t inputs = shape.inputs, outputs = shape.outputs, tiles = row.tiles;
  const int64_t passes = (tiles + kMostTiles - 1) / kMostTiles;
  const int64_t typical = (tiles + passes - 1) / passes;
  for (int64_t place = 0; place < T * T; ++place) {
    const float* w = transformed + place * outputs * inputs;
    const float* v = row.v + place * tiles * inputs;
    float* m = row.m + place * tiles * outputs;
    for (int64_t o = 0; o < outputs; o += 2 * lanes) {
      const auto at = [&](int64_t output) HWY_ATTR {
        return w + output / kBlock * inputs * kBlock + output % kBlock;
      };
      for (int64_t t = 0; t < tiles; t += typical) {
        const int64_t count = tiles - t < typical ? tiles - t : typical;
        float* to = m + t * outputs + o;
        if (o + lanes < outputs) {
          ProductOf<2>(count, inputs, outputs, v + t * inputs, at(o), at(o + lanes), to,
                       to + lanes);
        } else {
          ProductOf<1>(count, inputs, outputs, v + t * inputs, at(o), at(o), to, to);
        }
      }
    }
  }
}

template <int T>
void OutputTiles(const ConvShape& shape, const Row& row, const float* bias, float* y,
                 uint8_t* winner) {
  const D d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t outputs = shape.outputs, place = row.tiles * outputs;
  for (int64_t tile = 0; tile < row.tiles; ++tile) {
    for (int64_t o = 0; o < outputs; o += lanes) {
      V left[T], right[T];
      FLSIM_UNROLL for (int b = 0; b < T; ++b) {
        V m[T];
        FLSIM_UNROLL for (int a = 0; a < T; ++a) {
          m[a] = hn::LoadU(d, row.m + (a * T + b) * place + tile * outputs + o);
        }
        TransformOutput<T>(m, left[b], right[b]);
      }
      V out[2][2];
      TransformOutput<T>(left, out[0][0], out[0][1]);
      TransformOutput<T>(right, out[1][0], out[1][1]);
      const V b = hn::LoadU(d, bias + o);
      FLSIM_UNROLL for (int r = 0; r < 2; ++r) {
        FLSIM_UNROLL for (int c = 0; c < 2; ++c) out[r][c] = hn::Add(out[r][c], b);
      }
      if (shape.pool) {
        StorePooled(out[0][0], out[0][1], out[1][0], out[1][1], shape.relu,
                    static_cast<size_t>(lanes), y + tile * outputs + o,
                    winner + tile * outputs + o);
        continue;
      }
      FLSIM_UNROLL for (int r = 0; r < 2; ++r) {
        FLSIM_UNROLL for (int c = 0; c < 2; ++c) {
          hn::StoreU(shape.relu ? ReluOf(out[r][c]) : out[r][c], d,
                     y + r * shape.out_row + (2 * tile + c) * outputs + o);
        }
      }
    }
  }
}

template <int T>
void Forward(const ConvShape& shape, const float* x, const float* transformed, const float* bias,
             float* scratch, float* y, uint8_t* winner) {
  const Row row(shape, scratch);
  for (int64_t r = 0; r < shape.height / 2; ++r) {
    InputTiles<T>(shape, x + 2 * r * shape.in_row, row);
    Products<T>(shape, transformed, row);
    OutputTiles<T>(shape, row, bias, y + (shape.pool ? r : 2 * r) * shape.out_row,
                   shape.pool ? winner + r * row.tiles * shape.outputs : nullptr);
  }
}

void WinogradForward(const ConvShape& shape, const float* x, const float* transformed,
                     const float* bias, float* scratch, float* y, uint8_t* winner) {
  if (shape.kernel == 3) {
    Forward<4>(shape, x, transformed, bias, scratch, y, winner);
  } else {
    Forward<6>(shape, x, transformed, bias, scratch, y, winner);
  }
}

/// The matrix G, [T][kernel].
constexpr float kThree[] = {1, 0, 0, .5f, .5f, .5f, .5f, -.5f, .5f, 0, 0, 1};
constexpr float kFive[] = {1 / 4.f,   0,         0,        0,         0,        -1 / 6.f,
                           -1 / 6.f,  -1 / 6.f,  -1 / 6.f, -1 / 6.f,  -1 / 6.f, 1 / 6.f,
                           -1 / 6.f,  1 / 6.f,   -1 / 6.f, 1 / 24.f,  2 / 24.f, 4 / 24.f,
                           8 / 24.f,  16 / 24.f, 1 / 24.f, -2 / 24.f, 4 / 24.f, -8 / 24.f,
                           16 / 24.f, 0,         0,        0,         0,        1};

template <int K>
void Transform(const ConvShape& shape, const float* packed, float* transformed) {
  constexpr int T = K + 1;
  const float* g = K == 3 ? kThree : kFive;
  const D d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t inputs = shape.inputs, place = shape.outputs * inputs;
  for (int64_t o = 0; o < shape.outputs; o += lanes) {
    for (int64_t i = 0; i < inputs; ++i) {
      const float* w = packed + o / kBlock * K * K * inputs * kBlock + i * kBlock + o % kBlock;
      V down[T][K];
      for (int a = 0; a < T; ++a) {
        FLSIM_UNROLL for (int x = 0; x < K; ++x) {
          V sum = hn::Zero(d);
          FLSIM_UNROLL for (int y = 0; y < K; ++y) {
            sum = hn::MulAdd(hn::Set(d, g[a * K + y]),
                             hn::LoadU(d, w + (y * K + x) * inputs * kBlock), sum);
          }
          down[a][x] = sum;
        }
      }
      float* to = transformed + (o / kBlock * inputs + i) * kBlock + o % kBlock;
      for (int a = 0; a < T; ++a) {
        for (int b = 0; b < T; ++b) {
          V sum = hn::Zero(d);
          FLSIM_UNROLL for (int x = 0; x < K; ++x) {
            sum = hn::MulAdd(hn::Set(d, g[b * K + x]), down[a][x], sum);
          }
          hn::StoreU(sum, d, to + (a * T + b) * place);
        }
      }
    }
  }
}

void WinogradTransform(const ConvShape& shape, const float* packed, float* transformed) {
  if (shape.kernel == 3) {
    Transform<3>(shape, packed, transformed);
  } else {
    Transform<5>(shape, packed, transformed);
  }
}

}  // namespace
}  // namespace flsim::fused::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace flsim::fused {

HWY_EXPORT(WinogradForward);
void WinogradForward(const ConvShape& shape, const float* x, const float* transformed,
                     const float* bias, float* scratch, float* y, uint8_t* winner) {
  HWY_DYNAMIC_DISPATCH(WinogradForward)(shape, x, transformed, bias, scratch, y, winner);
}

HWY_EXPORT(WinogradTransform);
void WinogradTransform(const ConvShape& shape, const float* packed, float* transformed) {
  HWY_DYNAMIC_DISPATCH(WinogradTransform)(shape, packed, transformed);
}

bool WinogradFits(const ConvShape& shape) {
  return (shape.kernel == 3 || shape.kernel == 5) && shape.stride == 1 &&
         shape.inputs % kBlock == 0 && shape.outputs % kBlock == 0 && shape.height % 2 == 0 &&
         shape.width % 2 == 0;
}

int64_t WinogradWeights(const ConvShape& shape) {
  const int64_t t = shape.kernel + 1;
  return t * t * shape.inputs * shape.outputs;
}

int64_t WinogradScratch(const ConvShape& shape) {
  const int64_t t = shape.kernel + 1, tiles = shape.width / 2;
  return t * (2 * tiles + t - 2) * shape.inputs + t * t * tiles * (shape.inputs + shape.outputs);
}

}  // namespace flsim::fused
#endif
