// A cohort's updates as the rows of a matrix, for rules that look at all of them at once.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace flsim {

/// n rows of P + B float32 columns: a client's delta, then its buffers. Memory is one copy of the
/// cohort; operations work on blocks of columns, in parallel, with results that have the same bits
/// for any number of workers and on every x86-64 machine. Rows are finite.
struct CohortMatrix {
  std::vector<at::Tensor> rows;  ///< n vectors [P + B], in the order of the cohort
  std::vector<double> weights;   ///< n: Update::weight; all 1 once updates were mixed
  int64_t parameters = 0;        ///< P
  /// Runs work(0) .. work(items - 1), in any order; unset: one after the other.
  std::function<void(int64_t items, const std::function<void(int64_t)>& work)> parallel;

  int64_t n() const { return static_cast<int64_t>(rows.size()); }
  int64_t columns() const { return rows.empty() ? 0 : rows.front().numel(); }
  /// The rows of these indices, sharing their memory.
  CohortMatrix Select(const std::vector<int64_t>& indices) const;

  /// Calls work(begin, end) for consecutive blocks of columns of a fixed size, in parallel.
  void ForBlocks(int64_t columns,
                 const std::function<void(int64_t begin, int64_t end)>& work) const;

  /// The n values of each of `width` columns, from `column` on, in increasing order: the i-th
  /// smallest of column + c is values[i * stride + c].
  struct SortedColumns {
    int64_t column, width, stride;
    const float* values;
  };
  /// Calls work() for all columns, a few at a time, in parallel. A sorting network, O(n log^2 n)
  /// for each column; no copy but of a few columns.
  void ForSortedColumns(const std::function<void(const SortedColumns&)>& work) const;

  /// ||x_i - x_j||^2 over the first P columns, [n * n] row-major, symmetric, zero diagonal;
  /// O(n^2 P). Tiled like the product of a matrix with its transpose, but of differences: one row,
  /// however long, takes no precision from the distances of the others, as it would in
  /// ||x||^2 + ||y||^2 - 2 x.y. Relative error 2e-6 or less; Inf where a float32 square overflows.
  std::vector<double> SquaredDistances() const;

  /// ||x_i - y||^2 over the first P columns, [n]; y is [P] or longer. In double precision.
  std::vector<double> SquaredDistancesTo(const at::Tensor& y) const;

  /// x_i . y over the first P columns, [n]; y is [P] or longer. In double precision.
  std::vector<double> InnerProducts(const at::Tensor& y) const;

  /// out[c] = keep out[c] + sum_i weights[i] x_i[c] for begin <= c < end, products and sums in
  /// double precision. Rows of weight 0 are not read, nor is `out` where keep is 0. `out` may be
  /// one of the rows.
  void WeightedSum(const std::vector<double>& weights, const at::Tensor& out, int64_t begin,
                   int64_t end, double keep = 0) const;
  /// The same for all columns.
  void WeightedSum(const std::vector<double>& weights, const at::Tensor& out) const {
    WeightedSum(weights, out, 0, columns());
  }
  /// out [P + B] = the mean of the rows of these indices.
  void MeanOf(const std::vector<int64_t>& indices, const at::Tensor& out) const;
  /// out [P + B] = the mean of all rows.
  void Mean(const at::Tensor& out) const;

  /// Replaces each row i by the mean of the rows neighbours[i], all lists being of the same length;
  /// sums in double precision. O(n P) for each neighbour; no copy but of a few columns.
  void Mix(const std::vector<std::vector<int64_t>>& neighbours);
};

/// "krum with num_malicious 2 needs at least 7 updates, got 5"; "" if there are enough.
inline std::string NeedsUpdates(const std::string& rule, int64_t needed, int64_t rows) {
  if (rows >= needed) return "";
  return rule + " needs at least " + std::to_string(needed) + " updates, got " +
         std::to_string(rows);
}
/// The same of a rule that `num_malicious` updates may try to mislead.
inline std::string NeedsUpdates(const std::string& rule, int64_t num_malicious, int64_t needed,
                                int64_t rows) {
  return NeedsUpdates(rule + " with num_malicious " + std::to_string(num_malicious), needed, rows);
}

}  // namespace flsim
