// The kernel behind every sparse product: sums of scaled rows of memory. Included once for each
// instruction set (Highway's foreach_target).
#include <cstdint>
#include <cstring>

#ifndef FLSIM_FUSED_ROW_LIST
#define FLSIM_FUSED_ROW_LIST
namespace flsim::fused {

/// The factors that are not zero, and where the row of floats is that each one scales.
struct RowList {
  int64_t count = 0;
  float* factors = nullptr;
  int32_t* offsets = nullptr;

  /// Appends unless zero, without a branch, which could not be predicted: there is always memory
  /// for one entry more.
  void Add(float factor, int32_t offset) {
    uint32_t bits;
    std::memcpy(&bits, &factor, sizeof bits);
    factors[count] = factor;
    offsets[count] = offset;
    count += static_cast<int64_t>((bits << 1) != 0);
  }
};

}  // namespace flsim::fused
#endif

#if defined(FLSIM_FUSED_SCALED_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef FLSIM_FUSED_SCALED_ROWS_INL_H_
#undef FLSIM_FUSED_SCALED_ROWS_INL_H_
#else
#define FLSIM_FUSED_SCALED_ROWS_INL_H_
#endif

#include "models/backends/fused/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace flsim::fused::HWY_NAMESPACE {

/// sum[kFirst + row][vector] += factor * from[offset + row * from_row + vector], over the list, for
/// kRows rows. The sums stay in registers.
template <int kFirst, int kRows, int kTall, int kVectors>
HWY_INLINE void AddScaledRows(const RowList& list, const float* from, int64_t from_row,
                              V (&sum)[kTall][kVectors]) {
  static_assert(kFirst + kRows <= kTall);
  const D d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t i = 0; i < list.count; ++i) {
    const V factor = hn::Set(d, list.factors[i]);
    const float* row = from + list.offsets[i];
    FLSIM_UNROLL for (int r = 0; r < kRows; ++r) {
      FLSIM_UNROLL for (int v = 0; v < kVectors; ++v) {
        V& to = sum[kFirst + r][v];
        to = hn::MulAdd(factor, hn::LoadU(d, row + r * from_row + v * lanes), to);
      }
    }
  }
}

}  // namespace flsim::fused::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
