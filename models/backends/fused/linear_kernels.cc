// Fully connected layers, on PyTorch's own layout of the weights, [outputs][inputs]: no copy of
// them is ever made.
//   forward   4 outputs x up to 4 examples at a time, registers along the inputs: W is read once,
//             and 16 sums of registers become 16 numbers at the end
//   backward  in blocks of kChunkOutputs outputs x kChunkInputs inputs, small enough for the
//   caches:
//             dx += dy W, then dW = dy' x for the same block, which takes its optimizer step at
//             once where it may; so W and its momentum come from memory once per step. Both are
//             sums of scaled rows, of W and of x, from which ReLU and dropout have removed half and
//             more.
#include "models/backends/fused/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "models/backends/fused/linear_kernels.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "models/backends/fused/scaled_rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace flsim::fused::HWY_NAMESPACE {
namespace {

constexpr int64_t kChunkOutputs = 16;
constexpr int kMostExamples = kRegisters >= 32 ? 4 : 2;  ///< of a tile of the forward pass

/// A matrix: rows `stride` apart.
template <class T>
struct Rows {
  T* data;
  int64_t stride;
  HWY_INLINE T* at(int64_t row) const { return data + row * stride; }
};

/// Adds up blocks of 4 lanes until one is left.
template <int kCount, class D2>
HWY_INLINE auto FoldToFour(D2, hn::Vec<D2> v) {
  if constexpr (kCount > 4) {
    const hn::Half<D2> half;
    return FoldToFour<kCount / 2>(half, hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
  } else {
    return v;
  }
}

/// The four sums over the lanes of a, b, c and e. Two interleavings make each block of 4 lanes a
/// share of (a, b, c, e).
HWY_INLINE auto SumsOf(V a, V b, V c, V e) {
  const D d;
  const hn::Repartition<double, D> pairs;
  const V ab = hn::Add(hn::InterleaveLower(d, a, b), hn::InterleaveUpper(d, a, b));
  const V ce = hn::Add(hn::InterleaveLower(d, c, e), hn::InterleaveUpper(d, c, e));
  const auto ab2 = hn::BitCast(pairs, ab), ce2 = hn::BitCast(pairs, ce);
  return FoldToFour<kLanes>(d, hn::Add(hn::BitCast(d, hn::InterleaveLower(pairs, ab2, ce2)),
                                       hn::BitCast(d, hn::InterleaveUpper(pairs, ab2, ce2))));
}

/// y[0..kExamples)[0..outputs) = x W' + b for at most 4 outputs; a missing one repeats the last.
template <int kExamples>
void ForwardTile(int64_t inputs, int64_t outputs, Rows<const float> x, Rows<const float> w,
                 const float* b, Rows<float> y) {
  const D d;
  const hn::CappedTag<float, 4> four;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const float* row[4];
  FLSIM_UNROLL for (int o = 0; o < 4; ++o) row[o] = w.at(o < outputs ? o : outputs - 1);
  V sum[kExamples][4];
  FLSIM_UNROLL for (int n = 0; n < kExamples; ++n) {
    FLSIM_UNROLL for (int o = 0; o < 4; ++o) sum[n][o] = hn::Zero(d);
  }
  const auto add = [&](int64_t i, const auto& load) HWY_ATTR {
    V weight[4];
    FLSIM_UNROLL for (int o = 0; o < 4; ++o) weight[o] = load(row[o] + i);
    FLSIM_UNROLL for (int n = 0; n < kExamples; ++n) {
      const V value = hn::LoadU(d, x.at(n) + i);
      FLSIM_UNROLL for (int o = 0; o < 4; ++o) {
        sum[n][o] = hn::MulAdd(value, weight[o], sum[n][o]);
      }
    }
  };
  int64_t i = 0;
  for (; i + lanes <= inputs; i += lanes) {
    add(i, [&](const float* from) HWY_ATTR { return hn::LoadU(d, from); });
  }
  if (i < inputs) {
    const auto left = static_cast<size_t>(inputs - i);
    add(i, [&](const float* from) HWY_ATTR { return LoadFirst(left, from); });
  }
  HWY_ALIGN float bias[4] = {};
  for (int64_t o = 0; o < outputs; ++o) bias[o] = b == nullptr ? 0 : b[o];
  FLSIM_UNROLL for (int n = 0; n < kExamples; ++n) {
    const auto result =
        hn::Add(SumsOf(sum[n][0], sum[n][1], sum[n][2], sum[n][3]), hn::Load(four, bias));
    if (outputs == 4) {
      hn::StoreU(result, four, y.at(n));
    } else {
      HWY_ALIGN float all[4];
      hn::Store(result, four, all);
      for (int64_t o = 0; o < outputs; ++o) y.at(n)[o] = all[o];
    }
  }
}

void LinearForward(int64_t n, int64_t inputs, int64_t outputs, const float* x, int64_t x_stride,
                   const float* w, const float* b, float* y, int64_t y_stride) {
  for (int64_t o = 0; o < outputs; o += 4) {
    const int64_t count = outputs - o < 4 ? outputs - o : 4;
    const float* bias = b == nullptr ? nullptr : b + o;
    const Rows<const float> weights{w + o * inputs, inputs};
    for (int64_t i = 0; i < n;) {
      const Rows<const float> from{x + i * x_stride, x_stride};
      const Rows<float> to{y + i * y_stride + o, y_stride};
      const int64_t left = n - i < kMostExamples ? n - i : kMostExamples;
      switch (left) {
        case 4:
          if constexpr (kMostExamples >= 4) ForwardTile<4>(inputs, count, from, weights, bias, to);
          break;
        case 3:
          if constexpr (kMostExamples >= 3) ForwardTile<3>(inputs, count, from, weights, bias, to);
          break;
        case 2:
          ForwardTile<2>(inputs, count, from, weights, bias, to);
          break;
        default:
          ForwardTile<1>(inputs, count, from, weights, bias, to);
          break;
      }
      i += left;
    }
  }
}

/// What a tile of the backward pass does with its sums for `columns` columns from `at` on.
struct Destination {
  float* dx = nullptr;        ///< added to; or
  float* dw = nullptr;        ///< added to; or
  float* w = nullptr;         ///< takes its step
  float* velocity = nullptr;  ///< of w
  const StepOnTheFly* step = nullptr;
};

/// Finishes one register of sums.
HWY_INLINE void Deliver(V sum, size_t count, const Destination& to, int64_t at) {
  const D d;
  if (to.step == nullptr) {
    float* y = (to.dx != nullptr ? to.dx : to.dw) + at;
    StoreFirst(hn::Add(LoadFirst(count, y), sum), count, y);
    return;
  }
  // The arithmetic of SgdStep, each operation rounded, so that the bits are those of a gradient
  // that was stored first.
  const StepOnTheFly& step = *to.step;
  const V weight = LoadFirst(count, to.w + at);
  V g = hn::Add(sum, hn::Mul(hn::Set(d, step.weight_decay), weight));
  if (step.momentum != 0) {
    if (!step.first) {
      g = hn::Add(hn::Mul(hn::Set(d, step.momentum), LoadFirst(count, to.velocity + at)), g);
    }
    StoreFirst(g, count, to.velocity + at);
  }
  StoreFirst(hn::Sub(weight, hn::Mul(hn::Set(d, step.lr), g)), count, to.w + at);
}

/// Sums for as many whole tiles of kVectors registers as fit from column c on; returns where they
/// end.
template <int kVectors>
HWY_INLINE int64_t SumColumns(const RowList& list, const float* from, int64_t c, int64_t columns,
                              const Destination& to) {
  const D d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  for (; c + kVectors * lanes <= columns; c += kVectors * lanes) {
    V sum[1][kVectors];
    FLSIM_UNROLL for (int v = 0; v < kVectors; ++v) sum[0][v] = hn::Zero(d);
    AddScaledRows<0, 1>(list, from + c, 0, sum);
    FLSIM_UNROLL for (int v = 0; v < kVectors; ++v) {
      Deliver(sum[0][v], static_cast<size_t>(lanes), to, c + v * lanes);
    }
  }
  return c;
}

/// to[0..columns) gets the sum of the list's scaled rows of `from`.
void SumRows(const RowList& list, const float* from, int64_t columns, const Destination& to) {
  const D d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t c = SumColumns<8>(list, from, 0, columns, to);
  c = SumColumns<2>(list, from, c, columns, to);
  for (; c < columns; c += lanes) {
    // Not one value further: the last row of W ends where the parameters end.
    const auto count = static_cast<size_t>(columns - c < lanes ? columns - c : lanes);
    V sum = hn::Zero(d);
    for (int64_t i = 0; i < list.count; ++i) {
      sum = hn::MulAdd(hn::Set(d, list.factors[i]), LoadFirst(count, from + list.offsets[i] + c),
                       sum);
    }
    Deliver(sum, count, to, c);
  }
}

/// Columns of a chunk: as many as leave the examples' part of x, which every output reads, in the
/// first-level cache.
HWY_INLINE int64_t ChunkColumns(int64_t n) {
  constexpr int64_t kFloats = 8192, kLeast = 256, kMost = 512;
  const int64_t fitting = kFloats / n / kLeast * kLeast;
  return fitting < kLeast ? kLeast : fitting > kMost ? kMost : fitting;
}

void LinearBackward(int64_t n, int64_t inputs, int64_t outputs, const float* x, int64_t x_stride,
                    float* w, const float* dy, int64_t dy_stride, float* dx, float* dw,
                    const StepOnTheFly* step) {
  float factors[kChunkOutputs + kMostExamplesOfPass];
  int32_t offsets[kChunkOutputs + kMostExamplesOfPass];
  const int64_t chunk = ChunkColumns(n);
  for (int64_t o = 0; o < outputs; o += kChunkOutputs) {
    const int64_t rows = outputs - o < kChunkOutputs ? outputs - o : kChunkOutputs;
    for (int64_t c = 0; c < inputs; c += chunk) {
      const int64_t columns = inputs - c < chunk ? inputs - c : chunk;
      for (int64_t i = 0; dx != nullptr && i < n; ++i) {
        RowList list{0, factors, offsets};
        for (int64_t r = 0; r < rows; ++r) {
          list.Add(dy[i * dy_stride + o + r], static_cast<int32_t>(r * inputs));
        }
        Destination to;
        to.dx = dx + i * x_stride + c;
        SumRows(list, w + o * inputs + c, columns, to);
      }
      for (int64_t r = o; r < o + rows; ++r) {
        RowList list{0, factors, offsets};
        for (int64_t i = 0; i < n; ++i) {
          list.Add(dy[i * dy_stride + r], static_cast<int32_t>(i * x_stride));
        }
        const int64_t at = r * inputs + c;
        Destination to;
        to.step = step;
        if (step == nullptr) {
          to.dw = dw + at;
        } else {
          to.w = w + at;
          to.velocity = step->momentum == 0 ? nullptr : step->velocity + at;
        }
        SumRows(list, x + c, columns, to);
      }
    }
  }
}

}  // namespace
}  // namespace flsim::fused::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace flsim::fused {

HWY_EXPORT(LinearForward);
void LinearForward(int64_t n, int64_t inputs, int64_t outputs, const float* x, int64_t x_stride,
                   const float* w, const float* b, float* y, int64_t y_stride) {
  HWY_DYNAMIC_DISPATCH(LinearForward)(n, inputs, outputs, x, x_stride, w, b, y, y_stride);
}

HWY_EXPORT(LinearBackward);
void LinearBackward(int64_t n, int64_t inputs, int64_t outputs, const float* x, int64_t x_stride,
                    float* w, const float* dy, int64_t dy_stride, float* dx, float* dw,
                    const StepOnTheFly* step) {
  HWY_DYNAMIC_DISPATCH(LinearBackward)
  (n, inputs, outputs, x, x_stride, w, dy, dy_stride, dx, dw, step);
}

}  // namespace flsim::fused
#endif
