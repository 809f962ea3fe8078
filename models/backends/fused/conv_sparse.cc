// Backward pass of a convolution behind 2x2 max pooling. Of its outputs at most one in four has a
// gradient, fewer behind ReLU and dropout; those are listed, and the rest is never touched. Both
// gradients are then sums of scaled rows of memory:
//   dw[output][ky][taps]  += sum over the output's list of g * x[window of the value][ky][taps]
//   dx[window][ky][taps]  += sum over the outputs whose value sits in that window of
//                            g * w[output][ky][taps]; with stride 1 for two windows at once, one
//                            below the other, which share all but a row
// so one kernel serves both: a tile of rows x registers of the destination stays in registers while
// the list goes by.
#include "models/backends/fused/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "models/backends/fused/conv_sparse.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "models/backends/fused/scaled_rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace flsim::fused::HWY_NAMESPACE {
namespace {

constexpr int kMostSums = kRegisters >= 32 ? 28 : 12;
constexpr int kMostVectors = 10;

/// to[row][vector] += sum over the list of factor * from[offset + row * from_row + vector], for
/// kRows rows; of two lists, the second one's rows are added one row further down.
template <int kLists, int kRows, int kVectors>
void AddTo(const RowList* lists, const float* from, int64_t from_row, float* to, int64_t to_row) {
  const D d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  constexpr int kTall = kRows + kLists - 1;
  V sum[kTall][kVectors];
  FLSIM_UNROLL for (int r = 0; r < kTall; ++r) {
    FLSIM_UNROLL for (int v = 0; v < kVectors; ++v) {
      sum[r][v] = hn::LoadU(d, to + r * to_row + v * lanes);
    }
  }
  AddScaledRows<0, kRows>(lists[0], from, from_row, sum);
  if constexpr (kLists == 2) AddScaledRows<1, kRows>(lists[1], from, from_row, sum);
  // Rows are stored in order: a row's last register reaches into the next row, with its old values,
  // which that row's own store then replaces.
  FLSIM_UNROLL for (int r = 0; r < kTall; ++r) {
    FLSIM_UNROLL for (int v = 0; v < kVectors; ++v) {
      hn::StoreU(sum[r][v], d, to + r * to_row + v * lanes);
    }
  }
}

using Kernel = void (*)(const RowList*, const float*, int64_t, float*, int64_t);

/// Vectors of a tile of `rows` rows at most.
constexpr int Fitting(int lists, int rows) {
  const int vectors = kMostSums / (rows + lists - 1);
  return vectors < kMostVectors ? vectors : kMostVectors;
}

template <int kLists, int kRows>
Kernel KernelOfRows(int64_t vectors) {
  return WithCount<Fitting(kLists, kRows)>(
      vectors, [](auto n) HWY_ATTR -> Kernel { return AddTo<kLists, kRows, n>; });
}

template <int kLists>
Kernel KernelOf(int64_t rows, int64_t vectors) {
  switch (rows) {
    case 1:
      return KernelOfRows<kLists, 1>(vectors);
    case 2:
      return KernelOfRows<kLists, 2>(vectors);
    case 3:
      return KernelOfRows<kLists, 3>(vectors);
    default:
      return KernelOfRows<kLists, 5>(vectors);
  }
}

/// Cuts kernel x taps into tiles of registers and calls use(kernel, first ky, first tap) for each.
template <int kLists, class Use>
HWY_INLINE void ForTiles(const ConvShape& shape, int64_t most_rows, const Use& use) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(D()));
  const int64_t vectors = (shape.taps() + lanes - 1) / lanes;
  for (int64_t ky = 0; ky < shape.kernel;) {
    int64_t rows = shape.kernel - ky < most_rows ? shape.kernel - ky : most_rows;
    rows = rows >= 5 ? 5 : rows >= 3 ? 3 : rows;
    const int64_t fitting = Fitting(kLists, static_cast<int>(rows));
    const int64_t passes = (vectors + fitting - 1) / fitting;
    const int64_t typical = (vectors + passes - 1) / passes;
    for (int64_t v = 0; v < vectors; v += typical) {
      const int64_t count = vectors - v < typical ? vectors - v : typical;
      use(KernelOf<kLists>(rows, count), ky, v * lanes);
    }
    ky += rows;
  }
}

/// The sum of the list's factors.
HWY_INLINE float SumOf(const RowList& list) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  V sum = hn::Zero(d);
  for (int64_t i = 0; i < list.count; i += lanes) {
    const int64_t left = list.count - i;
    sum =
        hn::Add(sum, LoadFirst(static_cast<size_t>(left < lanes ? left : lanes), list.factors + i));
  }
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

/// Appends the lanes that are `here`. The list has room for a register behind its end: to compress
/// in a register and store all of it is faster than to compress into memory, on some processors by
/// far.
HWY_INLINE void Append(V factors, hn::Vec<DI> offsets, hn::Mask<DI> here, RowList& list) {
  const D d;
  const DI di;
  hn::StoreU(hn::Compress(factors, hn::RebindMask(d, here)), d, list.factors + list.count);
  hn::StoreU(hn::Compress(offsets, here), di, list.offsets + list.count);
  list.count += static_cast<int64_t>(hn::CountTrue(di, here));
}

/// Of every pooled pixel, filled up to whole registers with the first: where its gradients, its
/// winners and its window are.
struct PixelTables {
  int32_t *gradient, *winner, *window;

  PixelTables(const Winners& winners, float* memory) {
    const ConvShape& shape = *winners.shape;
    const int64_t width = shape.pooled_width(), pixels = shape.pooled_height() * width;
    const int64_t room = RoundUp(pixels, kBlock);
    gradient = reinterpret_cast<int32_t*>(memory);
    winner = gradient + room;
    window = winner + room;
    for (int64_t p = 0; p < room; ++p) {
      const int64_t row = p < pixels ? p / width : 0, column = p < pixels ? p % width : 0;
      gradient[p] = static_cast<int32_t>(row * winners.dy_row + column * shape.outputs);
      winner[p] = static_cast<int32_t>((row * width + column) * shape.outputs);
      window[p] =
          static_cast<int32_t>(2 * shape.stride * (row * shape.in_row + column * shape.inputs));
    }
  }
};

/// One output's gradients over all pixels, each with the offset of the window that its value came
/// from.
HWY_INLINE void ListOfOutput(const Winners& winners, const PixelTables& tables, int64_t output,
                             RowList& list) {
  const D d;
  const DI di;
  const ConvShape& shape = *winners.shape;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t pixels = shape.pooled_height() * shape.pooled_width();
  const auto right = hn::Set(di, static_cast<int32_t>(shape.stride * shape.inputs));
  const auto down = hn::Set(di, static_cast<int32_t>(shape.stride * shape.in_row));
  // Four bytes from an output's winner on, of which the first is its own.
  const auto* bytes = reinterpret_cast<const int32_t*>(winners.winner + output);
  for (int64_t p = 0; p < pixels; p += lanes) {
    const V g = hn::GatherIndex(d, winners.dy + output, hn::Load(di, tables.gradient + p));
    const auto place =
        hn::And(hn::GatherOffset(di, bytes, hn::Load(di, tables.winner + p)), hn::Set(di, 0xff));
    const auto zero = hn::Zero(di);
    const auto on_right = hn::Ne(hn::And(place, hn::Set(di, 1)), zero);
    const auto below = hn::Ne(hn::And(place, hn::Set(di, 2)), zero);
    auto offset = hn::Add(hn::Load(di, tables.window + p), hn::IfThenElseZero(on_right, right));
    offset = hn::Add(offset, hn::IfThenElseZero(below, down));
    auto here =
        hn::And(hn::RebindMask(di, hn::Ne(g, hn::Zero(d))), hn::Ne(place, hn::Set(di, kDead)));
    if (p + lanes > pixels) here = hn::And(here, hn::FirstN(di, static_cast<size_t>(pixels - p)));
    Append(g, offset, here, list);
  }
}

void SparseWeightGradient(const Winners& winners, const float* x, float* scratch, float* dw,
                          float* db) {
  const ConvShape& shape = *winners.shape;
  const int64_t tap_row = shape.tap_row();
  const int64_t room = RoundUp(shape.pooled_height() * shape.pooled_width(), kBlock) + kBlock;
  auto* offsets = reinterpret_cast<int32_t*>(scratch + room);
  const PixelTables tables(winners, scratch + 2 * room);
  for (int64_t o = 0; o < shape.outputs; ++o) {
    RowList list{0, scratch, offsets};
    ListOfOutput(winners, tables, o, list);
    db[o] += SumOf(list);
    ForTiles<1>(shape, shape.kernel, [&](Kernel kernel, int64_t ky, int64_t tap) HWY_ATTR {
      kernel(&list, x + ky * shape.in_row + tap, shape.in_row,
             dw + (o * shape.kernel + ky) * tap_row + tap, tap_row);
    });
  }
}

/// Of the four places in a window (bit 0: right, bit 1: below) the upper and the lower one of a
/// column are neighbours in memory.
constexpr int ListOfPlace(int place) { return (place & 1) * 2 + (place >> 1); }

/// The outputs of one pooled pixel by the place of their value in the window: its list gets each
/// one's gradient and the offset of its filter.
HWY_INLINE void ListByPlace(int64_t outputs, const float* dy, const uint8_t* winner, int32_t filter,
                            RowList* list) {
  const D d;
  const DI di;
  const hn::Rebind<uint8_t, D> du8;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto filters = hn::Mul(hn::Iota(di, 0), hn::Set(di, filter));
  for (int64_t o = 0; o < outputs; o += lanes) {
    const auto count = static_cast<size_t>(outputs - o < lanes ? outputs - o : lanes);
    const V g = LoadFirst(count, dy + o);
    const M some = hn::Ne(g, hn::Zero(d));
    // Winners may be read beyond the last: their gradients are zero here.
    const auto place = hn::PromoteTo(di, hn::LoadU(du8, winner + o));
    const auto offset = hn::Add(filters, hn::Set(di, static_cast<int32_t>(o) * filter));
    FLSIM_UNROLL for (int k = 0; k < kDead; ++k) {
      const auto here = hn::And(hn::Eq(place, hn::Set(di, k)), hn::RebindMask(di, some));
      Append(g, offset, here, list[ListOfPlace(k)]);
    }
  }
}

/// dx for one row of pooled pixels, whose lists are given: kLists at a time, which go to the same
/// rows of dx but for the second one's, which are one further down.
template <int kLists>
HWY_INLINE void AddWindows(const ConvShape& shape, const RowList* lists, const float* w,
                           int64_t most_rows, float* dx) {
  const int64_t tap_row = shape.tap_row(), step = shape.stride * shape.inputs;
  const int64_t within[kDead] = {0, shape.stride * shape.in_row, step,
                                 step + shape.stride * shape.in_row};  // by list
  ForTiles<kLists>(shape, most_rows, [&](Kernel kernel, int64_t ky, int64_t tap) HWY_ATTR {
    const float* from = w + ky * tap_row + tap;
    float* to = dx + ky * shape.in_row + tap;
    for (int64_t p = 0; p < shape.pooled_width(); ++p) {
      for (int k = 0; k < kDead; k += kLists) {
        const RowList* list = lists + p * kDead + k;
        if (list->count + list[kLists - 1].count == 0) continue;
        kernel(list, from, tap_row, to + 2 * p * step + within[k], shape.in_row);
      }
    }
  });
}

void SparseInputGradient(const Winners& winners, const float* w, float* scratch, float* dx) {
  const ConvShape& shape = *winners.shape;
  const int64_t outputs = shape.outputs, width = shape.pooled_width(), tap_row = shape.tap_row();
  const auto filter = static_cast<int32_t>(shape.kernel * tap_row);
  // Weights beyond the first-level cache: one row of the kernel at a time, over all pixels.
  const bool large = outputs * filter * 4 > (1 << 15);
  const int64_t most_rows = large && tap_row >= 4 * kBlock ? 1 : shape.kernel;
  auto* lists = reinterpret_cast<RowList*>(scratch);
  auto* memory = reinterpret_cast<float*>(lists + width * kDead);
  const int64_t room = outputs + kBlock;
  for (int64_t row = 0; row < shape.pooled_height(); ++row) {
    for (int64_t p = 0; p < width; ++p) {
      for (int64_t k = 0; k < kDead; ++k) {
        float* factors = memory + (p * kDead + k) * 2 * room;
        lists[p * kDead + k] = {0, factors, reinterpret_cast<int32_t*>(factors + room)};
      }
      ListByPlace(outputs, winners.dy + row * winners.dy_row + p * outputs,
                  winners.winner + (row * width + p) * outputs, filter, lists + p * kDead);
    }
    float* windows = dx + row * 2 * shape.stride * shape.in_row;
    if (shape.stride == 1) {
      AddWindows<2>(shape, lists, w, most_rows, windows);
    } else {
      AddWindows<1>(shape, lists, w, most_rows, windows);
    }
  }
}

}  // namespace
}  // namespace flsim::fused::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace flsim::fused {

int64_t SparseScratch(const ConvShape& shape) {
  const int64_t width = shape.pooled_width();
  constexpr auto kList = static_cast<int64_t>(sizeof(RowList) / sizeof(float));
  // A list and the tables of pixels.
  const int64_t weights = 5 * (RoundUp(shape.pooled_height() * width, kBlock) + kBlock);
  const int64_t inputs = width * kDead * (kList + 2 * (shape.outputs + kBlock));
  return weights > inputs ? weights : inputs;
}

HWY_EXPORT(SparseWeightGradient);
void SparseWeightGradient(const Winners& winners, const float* x, float* scratch, float* dw,
                          float* db) {
  HWY_DYNAMIC_DISPATCH(SparseWeightGradient)(winners, x, scratch, dw, db);
}

HWY_EXPORT(SparseInputGradient);
void SparseInputGradient(const Winners& winners, const float* w, float* scratch, float* dx) {
  HWY_DYNAMIC_DISPATCH(SparseInputGradient)(winners, w, scratch, dx);
}

}  // namespace flsim::fused
#endif
