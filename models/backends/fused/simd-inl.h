// What the kernels of one instruction set share. Included once for each (Highway's foreach_target).
#if defined(FLSIM_FUSED_SIMD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef FLSIM_FUSED_SIMD_INL_H_
#undef FLSIM_FUSED_SIMD_INL_H_
#else
#define FLSIM_FUSED_SIMD_INL_H_
#endif

#include <hwy/highway.h>

#include <type_traits>

#include "models/backends/fused/kernels.h"

/// Unrolls the loop that follows entirely, so that an array of vectors lives in registers.
#undef FLSIM_UNROLL
#define FLSIM_UNROLL _Pragma("GCC unroll 64")

HWY_BEFORE_NAMESPACE();
namespace flsim::fused::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using D = hn::CappedTag<float, kBlock>;  ///< a register of floats
using V = hn::Vec<D>;
using DI = hn::RebindToSigned<D>;
using M = hn::Mask<D>;

constexpr int kLanes = static_cast<int>(hn::MaxLanes(D()));
/// Vector registers to plan with: AVX-512 has 32.
constexpr int kRegisters = kLanes == 16 ? 32 : 16;

/// Byte offsets of columns 0..13 from a row's address as one register and a scale of 1, 2, 4 or 8,
/// which is how x86 forms addresses: otherwise every column takes a register of its own and they
/// spill.
class Columns {
 public:
  HWY_INLINE explicit Columns(int64_t bytes)
      : one_(Keep(bytes)),
        three_(Keep(3 * bytes)),
        five_(Keep(5 * bytes)),
        seven_(Keep(7 * bytes)),
        nine_(Keep(9 * bytes)),
        eleven_(Keep(11 * bytes)),
        thirteen_(Keep(13 * bytes)) {}

  HWY_INLINE const float* At(const char* row, int column) const {
    return reinterpret_cast<const float*>(row + Offset(column));
  }

 private:
  /// Hides where the number came from, so that the compiler keeps it.
  static HWY_INLINE int64_t Keep(int64_t value) {
    asm("" : "+r"(value));
    return value;
  }
  HWY_INLINE int64_t Offset(int column) const {
    switch (column) {
      case 0:
        return 0;
      case 1:
        return one_;
      case 2:
        return one_ * 2;
      case 3:
        return three_;
      case 4:
        return one_ * 4;
      case 5:
        return five_;
      case 6:
        return three_ * 2;
      case 7:
        return seven_;
      case 8:
        return one_ * 8;
      case 9:
        return nine_;
      case 10:
        return five_ * 2;
      case 11:
        return eleven_;
      case 12:
        return three_ * 4;
      default:
        return thirteen_;
    }
  }
  int64_t one_, three_, five_, seven_, nine_, eleven_, thirteen_;
};

template <int kCount>
using Count = std::integral_constant<int, kCount>;

template <int kMost, class Use>
HWY_INLINE auto UseCount(int64_t count, const Use& use) {
  if constexpr (kMost > 1) {
    if (count < kMost) return UseCount<kMost - 1>(count, use);
  }
  return use(Count<kMost>());
}

/// use(Count<count>()): makes a number that is known at run time, 1 to kMost, a template argument.
template <int kMost, class Use>
HWY_INLINE auto WithCount(int64_t count, const Use& use) {
  if (count < 1 || count > kMost) HWY_ABORT("no kernel for %d", static_cast<int>(count));
  return UseCount<kMost>(count, use);
}

/// max(x, 0), NaN stays.
HWY_INLINE V ReluOf(V x) { return hn::IfThenElse(hn::Lt(x, hn::Zero(D())), hn::Zero(D()), x); }

/// Stores the first `count` lanes.
HWY_INLINE void StoreFirst(V x, size_t count, float* to) {
  const D d;
  if (count >= hn::Lanes(d)) {
    hn::StoreU(x, d, to);
  } else {
    hn::BlendedStore(x, hn::FirstN(d, count), d, to);
  }
}

/// The first `count` lanes, the others zero; reads nothing behind them.
HWY_INLINE V LoadFirst(size_t count, const float* from) {
  const D d;
  if (count >= hn::Lanes(d)) return hn::LoadU(d, from);
  if constexpr (kLanes > 4) return hn::MaskedLoad(hn::FirstN(d, count), d, from);
  HWY_ALIGN float some[kLanes] = {};  // the portable path would read all lanes
  for (size_t i = 0; i < count; ++i) some[i] = from[i];
  return hn::Load(d, some);
}

/// Whether b is larger than a or NaN, which a maximum has to show.
HWY_INLINE M Beats(V b, V a) { return hn::Or(hn::Gt(b, a), hn::IsNaN(b)); }

/// The largest of a 2x2 window (the first of equals, NaN before all, as PyTorch) and which it is,
/// kDead behind ReLU.
HWY_INLINE void Pool(V top_left, V top_right, V bottom_left, V bottom_right, bool relu, V& largest,
                     hn::Vec<DI>& which) {
  const DI di;
  const M right_above = Beats(top_right, top_left);
  const M right_below = Beats(bottom_right, bottom_left);
  const V top = hn::IfThenElse(right_above, top_right, top_left);
  const V bottom = hn::IfThenElse(right_below, bottom_right, bottom_left);
  const M below = Beats(bottom, top);
  largest = hn::IfThenElse(below, bottom, top);
  const auto above = hn::IfThenElseZero(hn::RebindMask(di, right_above), hn::Set(di, 1));
  const auto under =
      hn::IfThenElse(hn::RebindMask(di, right_below), hn::Set(di, 3), hn::Set(di, 2));
  which = hn::IfThenElse(hn::RebindMask(di, below), under, above);
  if (relu) {
    which = hn::IfThenElse(hn::RebindMask(di, hn::Le(largest, hn::Zero(D()))), hn::Set(di, kDead),
                           which);
    largest = ReluOf(largest);
  }
}

/// Pools and stores the first `channels` lanes.
HWY_INLINE void StorePooled(V top_left, V top_right, V bottom_left, V bottom_right, bool relu,
                            size_t channels, float* y, uint8_t* winner) {
  V largest;
  hn::Vec<DI> which;
  Pool(top_left, top_right, bottom_left, bottom_right, relu, largest, which);
  const hn::Rebind<uint8_t, D> du8;
  const auto bytes = hn::DemoteTo(du8, which);
  if (channels >= hn::Lanes(D())) {
    hn::StoreU(largest, D(), y);
    hn::StoreU(bytes, du8, winner);
  } else {
    StoreFirst(largest, channels, y);
    HWY_ALIGN uint8_t all[kBlock];
    hn::StoreU(bytes, du8, all);
    for (size_t i = 0; i < channels; ++i) winner[i] = all[i];
  }
}

}  // namespace flsim::fused::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
