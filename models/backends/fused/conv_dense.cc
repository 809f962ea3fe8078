// Gradient of a convolution's weights where every output has a gradient (no pooling behind it). A
// tile is T taps of one kernel row x up to 2 registers of outputs; it stays in registers while all
// pixels go by:
//   for each pixel:  sum[t][v] += broadcast(x[pixel's window + t]) * dy[pixel][v]
#include "models/backends/fused/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "models/backends/fused/conv_dense.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "models/backends/fused/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace flsim::fused::HWY_NAMESPACE {
namespace {

constexpr int kMostTaps = kRegisters >= 32 ? 12 : 5;

/// Where a tile reads and adds.
struct TapsAt {
  const float* x;
  const float* dy;
  float* dw;
  int64_t dy_row, dy_pixel;  ///< floats from output row to row and pixel to pixel of dy
};

template <int T, int kVectors>
void Taps(const ConvShape& shape, const TapsAt& at) {
  const D d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d)), outputs = shape.padded_outputs();
  V sum[T][kVectors];
  FLSIM_UNROLL for (int t = 0; t < T; ++t) {
    FLSIM_UNROLL for (int v = 0; v < kVectors; ++v) {
      sum[t][v] = hn::LoadU(d, at.dw + t * outputs + v * lanes);
    }
  }
  const int64_t x_step = shape.stride * shape.inputs;
  for (int64_t row = 0; row < shape.height; ++row) {
    const float* x = at.x + row * shape.stride * shape.in_row;
    const float* dy = at.dy + row * at.dy_row;
    for (int64_t c = 0; c < shape.width; ++c, x += x_step, dy += at.dy_pixel) {
      V g[kVectors];
      FLSIM_UNROLL for (int v = 0; v < kVectors; ++v) g[v] = hn::LoadU(d, dy + v * lanes);
      FLSIM_UNROLL for (int t = 0; t < T; ++t) {
        const V value = hn::Set(d, x[t]);
        FLSIM_UNROLL for (int v = 0; v < kVectors; ++v) {
          sum[t][v] = hn::MulAdd(g[v], value, sum[t][v]);
        }
      }
    }
  }
  FLSIM_UNROLL for (int t = 0; t < T; ++t) {
    FLSIM_UNROLL for (int v = 0; v < kVectors; ++v) {
      hn::StoreU(sum[t][v], d, at.dw + t * outputs + v * lanes);
    }
  }
}

template <int kVectors>
void TapsOf(int64_t taps, const ConvShape& shape, const TapsAt& at) {
  WithCount<kMostTaps>(taps, [&](auto n) HWY_ATTR { Taps<n, kVectors>(shape, at); });
}

void DenseWeightGradient(const ConvShape& shape, const float* x, const float* dy, int64_t dy_row,
                         int64_t dy_pixel, float* dw) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(D())), taps = shape.taps();
  const int64_t outputs = shape.padded_outputs();
  const int64_t passes = (taps + kMostTaps - 1) / kMostTaps;
  const int64_t typical = (taps + passes - 1) / passes;
  for (int64_t ky = 0; ky < shape.kernel; ++ky) {
    for (int64_t t = 0; t < taps; t += typical) {
      const int64_t count = taps - t < typical ? taps - t : typical;
      for (int64_t o = 0; o < outputs; o += 2 * lanes) {
        const TapsAt at{x + ky * shape.in_row + t, dy + o, dw + (ky * taps + t) * outputs + o,
                        dy_row, dy_pixel};
        if (o + lanes < outputs) {
          TapsOf<2>(count, shape, at);
        } else {
          TapsOf<1>(count, shape, at);
        }
      }
    }
  }
}

}  // namespace
}  // namespace flsim::fused::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace flsim::fused {

HWY_EXPORT(DenseWeightGradient);
void DenseWeightGradient(const ConvShape& shape, const float* x, const float* dy, int64_t dy_row,
                         int64_t dy_pixel, float* dw) {
  HWY_DYNAMIC_DISPATCH(DenseWeightGradient)(shape, x, dy, dy_row, dy_pixel, dw);
}

}  // namespace flsim::fused
#endif
