// The mean of the values closest to the median, column by column: the whole of mean-around-median
// and the second half of Bulyan.
#pragma once

#include <array>

#include "engine/core/error.h"
#include "strategies/cohort_matrix.h"

namespace flsim {

/// The median of each of the sorted columns, into out [P + B]: for an even number of rows the mean
/// of the two in the middle.
inline void Median(const CohortMatrix::SortedColumns& sorted, int64_t n, float* out) {
  const float* low = sorted.values + (n - 1) / 2 * sorted.stride;
  const float* high = sorted.values + n / 2 * sorted.stride;
  for (int64_t c = 0; c < sorted.width; ++c) {
    out[sorted.column + c] =
        static_cast<float>((static_cast<double>(low[c]) + static_cast<double>(high[c])) / 2);
  }
}

/// out [P + B] = in each column the mean of the `count` values closest to the median; where two are
/// as close, the smaller one. Sums in double precision.
inline void MeanOfClosestToMedian(const CohortMatrix& rows, int64_t count, const at::Tensor& out) {
  const int64_t n = rows.n();
  FLSIM_CHECK(count >= 1 && count <= n, count, n);
  float* y = out.mutable_data_ptr<float>();
  rows.ForSortedColumns([&](const CohortMatrix::SortedColumns& sorted) {
    for (int64_t c = 0; c < sorted.width; ++c) {
      const auto value = [&](int64_t i) {
        return static_cast<double>(sorted.values[i * sorted.stride + c]);
      };
      const double median = (value((n - 1) / 2) + value(n / 2)) / 2;
      // In sorted order the closest values are neighbours: drop the farther end until they remain.
      int64_t first = 0, last = n - 1;
      while (last - first >= count) {
        if (value(last) - median >= median - value(first))
          --last;
        else
          ++first;
      }
      double sum = 0;
      for (int64_t i = first; i <= last; ++i) sum += value(i);
      y[sorted.column + c] = static_cast<float>(sum / static_cast<double>(count));
    }
  });
}

}  // namespace flsim
