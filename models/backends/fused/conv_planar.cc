// Direct convolution for few output channels, where a register of channels would stay half empty (a
// first layer of 6). Registers run along a row of the image instead: 2 rows x 2 registers of
// columns x a few output channels are summed at once, one broadcast weight for 4 multiply-adds:
//   for input, ky, kx:  sum[o][row][v] += broadcast(weight(o)) * x[row + ky][v + kx]
// Even and odd columns are then parted, so that pooling is a maximum of registers.
#include "models/backends/fused/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "models/backends/fused/conv_planar.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "models/backends/fused/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace flsim::fused::HWY_NAMESPACE {
namespace {

constexpr int kMostOutputs = kRegisters >= 32 ? 6 : 2;

/// One tile: output rows 2 p and 2 p + 1, columns [column, column + 2 registers), outputs
/// [0, kOutputs) from `weights` on. Its pooled values go to y and winner, of which `pixels` are
/// real.
template <int kOutputs>
void PlanarTile(const ConvShape& shape, const float* x, int64_t plane, int64_t in_width,
                const float* weights, const float* bias, int64_t pixels, float* y,
                uint8_t* winner) {
  const D d;
  const DI di;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  V sum[kOutputs][2][2];
  FLSIM_UNROLL for (int o = 0; o < kOutputs; ++o) {
    const V b = hn::Set(d, bias[o]);
    sum[o][0][0] = sum[o][0][1] = sum[o][1][0] = sum[o][1][1] = b;
  }
  const float* w = weights;
  for (int64_t input = 0; input < shape.inputs; ++input) {
    for (int64_t ky = 0; ky < shape.kernel; ++ky) {
      const float* row = x + input * plane + ky * in_width;
      for (int64_t kx = 0; kx < shape.kernel; ++kx, ++row, w += shape.outputs) {
        const V x00 = hn::LoadU(d, row), x01 = hn::LoadU(d, row + lanes);
        const V x10 = hn::LoadU(d, row + in_width);
        const V x11 = hn::LoadU(d, row + in_width + lanes);
        FLSIM_UNROLL for (int o = 0; o < kOutputs; ++o) {
          const V weight = hn::Set(d, w[o]);
          sum[o][0][0] = hn::MulAdd(weight, x00, sum[o][0][0]);
          sum[o][0][1] = hn::MulAdd(weight, x01, sum[o][0][1]);
          sum[o][1][0] = hn::MulAdd(weight, x10, sum[o][1][0]);
          sum[o][1][1] = hn::MulAdd(weight, x11, sum[o][1][1]);
        }
      }
    }
  }
  HWY_ALIGN float values[kOutputs][kLanes];
  HWY_ALIGN int32_t which[kOutputs][kLanes];
  FLSIM_UNROLL for (int o = 0; o < kOutputs; ++o) {
    V largest;
    hn::Vec<DI> index;
    Pool(hn::ConcatEven(d, sum[o][0][1], sum[o][0][0]),
         hn::ConcatOdd(d, sum[o][0][1], sum[o][0][0]),
         hn::ConcatEven(d, sum[o][1][1], sum[o][1][0]),
         hn::ConcatOdd(d, sum[o][1][1], sum[o][1][0]), shape.relu, largest, index);
    hn::Store(largest, d, values[o]);
    hn::Store(index, di, which[o]);
  }
  for (int64_t p = 0; p < pixels; ++p, y += shape.outputs, winner += shape.outputs) {
    FLSIM_UNROLL for (int o = 0; o < kOutputs; ++o) {
      y[o] = values[o][p];
      winner[o] = static_cast<uint8_t>(which[o][p]);
    }
  }
}

void PlanarConvForward(const ConvShape& shape, const float* planes, int64_t in_height,
                       int64_t in_width, const float* weights, const float* bias, float* y,
                       uint8_t* winner) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(D()));
  const int64_t plane = in_height * in_width, pooled = shape.pooled_width();
  for (int64_t p = 0; p < shape.pooled_height(); ++p) {
    for (int64_t column = 0; column < pooled; column += lanes) {
      const float* x = planes + 2 * p * in_width + 2 * column;
      const int64_t pixels = pooled - column < lanes ? pooled - column : lanes;
      float* to = y + p * shape.out_row + column * shape.outputs;
      uint8_t* which = winner + (p * pooled + column) * shape.outputs;
      for (int64_t o = 0; o < shape.outputs;) {
        const int64_t left = shape.outputs - o;
        const auto tile = [&](auto count) HWY_ATTR {
          PlanarTile<decltype(count)::value>(shape, x, plane, in_width, weights + o, bias + o,
                                             pixels, to + o, which + o);
          o += decltype(count)::value;
        };
        if (left >= kMostOutputs) {
          tile(Count<kMostOutputs>());
        } else if (left >= 2) {
          tile(Count<2>());
        } else {
          tile(Count<1>());
        }
      }
    }
  }
}

/// Whether more of each register is used along the image than along the channels.
bool PlanarConvFits(const ConvShape& shape) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(D()));
  const auto share = [](int64_t used, int64_t multiple) {
    return static_cast<double>(used) / static_cast<double>(RoundUp(used, multiple));
  };
  return shape.pool && shape.stride == 1 && shape.pooled_width() > 0 &&
         share(shape.pooled_width(), lanes) > share(shape.outputs, lanes);
}

}  // namespace
}  // namespace flsim::fused::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace flsim::fused {

HWY_EXPORT(PlanarConvForward);
void PlanarConvForward(const ConvShape& shape, const float* planes, int64_t in_height,
                       int64_t in_width, const float* weights, const float* bias, float* y,
                       uint8_t* winner) {
  HWY_DYNAMIC_DISPATCH(PlanarConvForward)
  (shape, planes, in_height, in_width, weights, bias, y, winner);
}

HWY_EXPORT(PlanarConvFits);
bool PlanarConvFits(const ConvShape& shape) { return HWY_DYNAMIC_DISPATCH(PlanarConvFits)(shape); }

}  // namespace flsim::fused
#endif
