// Direct convolution. A tile is R rows x C columns of output pixels times one register of output
// channels, kept in registers while the taps of the kernel go by:
//   for ky, for tap (kx and input channel, contiguous in memory):
//     sum[r][c] += weight(tap) * broadcast(x[r][c + tap])
// One weight load serves R x C multiply-adds. The pooled epilogue takes the maximum of 2x2 sums
// while they are still in registers, so the convolution's own output is never stored.
#include "models/backends/fused/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "models/backends/fused/conv_direct.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "models/backends/fused/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace flsim::fused::HWY_NAMESPACE {
namespace {

/// Columns of a tile: 2 x 14 sums fit into 32 registers, 2 x 6 into 16.
constexpr int64_t kMostColumns = kRegisters >= 32 ? 14 : 6;

/// A tile's place: first window, weights and bias of its register of channels, and where it stores.
struct TileAt {
  const float* x;
  const float* w;
  const float* bias;
  float* y;
  uint8_t* winner;
  size_t channels;  ///< how many of the register's are real
};

template <int R, int C, bool kPool>
void Tile(const ConvShape& shape, const TileAt& at) {
  const D d;
  V sum[R][C];
  const V bias = hn::LoadU(d, at.bias);
  FLSIM_UNROLL for (int r = 0; r < R; ++r) {
    FLSIM_UNROLL for (int c = 0; c < C; ++c) sum[r][c] = bias;
  }
  const Columns columns(shape.stride * shape.inputs * static_cast<int64_t>(sizeof(float)));
  const int64_t in_row = shape.in_row, next_row = shape.stride * in_row, taps = shape.taps();
  const float* w = at.w;
  for (int64_t ky = 0; ky < shape.kernel; ++ky) {
    const char* row0 = reinterpret_cast<const char*>(at.x + ky * in_row);
    const char* row1 = reinterpret_cast<const char*>(at.x + ky * in_row + next_row);
    for (int64_t tap = 0; tap < taps; ++tap) {
      const V weight = hn::LoadU(d, w);
      FLSIM_UNROLL for (int c = 0; c < C; ++c) {
        sum[0][c] = hn::MulAdd(weight, hn::Set(d, *columns.At(row0, c)), sum[0][c]);
      }
      if (R == 2) {
        FLSIM_UNROLL for (int c = 0; c < C; ++c) {
          sum[R - 1][c] = hn::MulAdd(weight, hn::Set(d, *columns.At(row1, c)), sum[R - 1][c]);
        }
      }
      w += kBlock;
      row0 += sizeof(float);
      row1 += sizeof(float);
    }
  }
  if constexpr (kPool) {
    static_assert(R == 2 && C % 2 == 0);
    FLSIM_UNROLL for (int c = 0; c < C / 2; ++c) {
      StorePooled(sum[0][2 * c], sum[0][2 * c + 1], sum[R - 1][2 * c], sum[R - 1][2 * c + 1],
                  shape.relu, at.channels, at.y + c * shape.outputs, at.winner + c * shape.outputs);
    }
  } else {
    FLSIM_UNROLL for (int r = 0; r < R; ++r) {
      FLSIM_UNROLL for (int c = 0; c < C; ++c) {
        const V y = shape.relu ? ReluOf(sum[r][c]) : sum[r][c];
        StoreFirst(y, at.channels, at.y + r * shape.out_row + c * shape.outputs);
      }
    }
  }
}

using TileFunction = void (*)(const ConvShape&, const TileAt&);

template <int R, bool kPool>
TileFunction TileOf(int64_t columns) {
  if constexpr (!kPool) {
    if (columns == 1) return Tile<R, 1, false>;
  }
  if (columns % 2 != 0) HWY_ABORT("no tile of %d columns", static_cast<int>(columns));
  return WithCount<kMostColumns / 2>(
      columns / 2, [](auto pairs) HWY_ATTR -> TileFunction { return Tile<R, 2 * pairs, kPool>; });
}

/// Output rows [row, row + R) of every channel.
template <int R, bool kPool>
void Rows(const ConvShape& shape, int64_t row, const float* x, const float* packed,
          const float* bias, float* y, uint8_t* winner) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(D()));
  const int64_t width = kPool ? shape.width / 2 * 2 : shape.width;
  const int64_t rows_of_weights = shape.kernel * shape.taps();
  // Tiles of about the same width, so that none is much too narrow to keep the multipliers busy.
  const int64_t tiles = (width + kMostColumns - 1) / kMostColumns;
  const int64_t typical = RoundUp((width + tiles - 1) / tiles, 2);
  const int64_t shrink = kPool ? 2 : 1;
  for (int64_t o = 0; o < shape.outputs; o += lanes) {
    const float* w = packed + o / kBlock * rows_of_weights * kBlock + o % kBlock;
    for (int64_t c = 0; c < width;) {
      int64_t columns = width - c < typical ? width - c : typical;
      if (columns > 1) columns = columns / 2 * 2;
      const int64_t pixel = c / shrink;
      const TileAt at{
          x + shape.stride * (row * shape.in_row + c * shape.inputs),
          w,
          bias + o,
          y + row / shrink * shape.out_row + pixel * shape.outputs + o,
          winner == nullptr
              ? nullptr
              : winner + (row / shrink * shape.pooled_width() + pixel) * shape.outputs + o,
          static_cast<size_t>(shape.outputs - o < lanes ? shape.outputs - o : lanes)};
      TileOf<R, kPool>(columns)(shape, at);
      c += columns;
    }
  }
}

void ConvForward(const ConvShape& shape, const float* x, const float* packed, const float* bias,
                 float* y, uint8_t* winner) {
  int64_t row = 0;
  for (; row + 2 <= shape.height; row += 2) {
    if (shape.pool) {
      Rows<2, true>(shape, row, x, packed, bias, y, winner);
    } else {
      Rows<2, false>(shape, row, x, packed, bias, y, nullptr);
    }
  }
  if (row < shape.height && !shape.pool) {
    Rows<1, false>(shape, row, x, packed, bias, y, nullptr);
  }
}

}  // namespace
}  // namespace flsim::fused::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace flsim::fused {

HWY_EXPORT(ConvForward);
void ConvForward(const ConvShape& shape, const float* x, const float* packed, const float* bias,
                 float* y, uint8_t* winner) {
  HWY_DYNAMIC_DISPATCH(ConvForward)(shape, x, packed, bias, y, winner);
}

}  // namespace flsim::fused
#endif
