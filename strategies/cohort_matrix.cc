#include "strategies/cohort_matrix.h"

#include <algorithm>
#include <cstring>

#include "engine/core/error.h"
#include "strategies/cohort_kernels.h"

namespace flsim {
namespace {

/// Columns of one item of work.
constexpr int64_t kBlock = 16384;

const float* Row(const at::Tensor& row, int64_t columns) {
  FLSIM_CHECK(row.defined() && row.is_cpu() && row.scalar_type() == at::kFloat);
  FLSIM_CHECK(row.is_contiguous() && row.numel() >= columns, row.numel(), columns);
  return row.const_data_ptr<float>();
}

std::vector<const float*> Pointers(const std::vector<at::Tensor>& rows, int64_t columns) {
  std::vector<const float*> pointers;
  pointers.reserve(rows.size());
  for (const at::Tensor& row : rows) pointers.push_back(Row(row, columns));
  return pointers;
}

void Run(const CohortMatrix& matrix, int64_t items, const std::function<void(int64_t)>& work) {
  if (matrix.parallel) {
    matrix.parallel(items, work);
  } else {
    for (int64_t item = 0; item < items; ++item) work(item);
  }
}

/// Sums what work(begin, end, sums) adds to sums [size] for each block of columns, in the order of
/// the blocks.
std::vector<double> SumOverBlocks(
    const CohortMatrix& matrix, int64_t size,
    const std::function<void(int64_t begin, int64_t end, double* sums)>& work) {
  // Few enough parts that their sums stay small beside the rows; never derived from the workers.
  const int64_t most = std::clamp<int64_t>((int64_t{1} << 23) / size, 8, 64);
  const int64_t blocks = (matrix.parameters + kBlock - 1) / kBlock;
  const int64_t parts = std::min(blocks, most);
  std::vector<std::vector<double>> partial(static_cast<size_t>(parts));
  Run(matrix, parts, [&](int64_t part) {
    auto& sums = partial[static_cast<size_t>(part)];
    sums.assign(static_cast<size_t>(size), 0.0);
    const int64_t end = std::min(blocks * (part + 1) / parts * kBlock, matrix.parameters);
    for (int64_t begin = blocks * part / parts * kBlock; begin < end; begin += kBlock)
      work(begin, std::min(begin + kBlock, end), sums.data());
  });
  std::vector<double> total(static_cast<size_t>(size), 0.0);
  for (const auto& sums : partial) {
    for (size_t k = 0; k < total.size(); ++k) total[k] += sums[k];
  }
  return total;
}

}  // namespace

CohortMatrix CohortMatrix::Select(const std::vector<int64_t>& indices) const {
  CohortMatrix selected;
  for (const int64_t index : indices) {
    selected.rows.push_back(rows[static_cast<size_t>(index)]);
    selected.weights.push_back(weights[static_cast<size_t>(index)]);
  }
  selected.parameters = parameters;
  selected.parallel = parallel;
  return selected;
}

void CohortMatrix::ForBlocks(int64_t columns,
                             const std::function<void(int64_t begin, int64_t end)>& work) const {
  Run(*this, (columns + kBlock - 1) / kBlock,
      [&](int64_t block) { work(block * kBlock, std::min((block + 1) * kBlock, columns)); });
}

void CohortMatrix::ForSortedColumns(const std::function<void(const SortedColumns&)>& work) const {
  const int64_t count = n();
  const auto pairs = SortingNetwork(count);
  const auto x = Pointers(rows, columns());
  ForBlocks(columns(), [&](int64_t begin, int64_t end) {
    std::vector<float> slab(static_cast<size_t>(count * kSlab));
    for (int64_t column = begin; column < end; column += kSlab) {
      for (int64_t i = 0; i < count; ++i) {
        for (int64_t c = 0; c < kSlab && column + c < end; c += kTile) {
          const auto width = static_cast<size_t>(std::min(kTile, end - column - c));
          std::memcpy(slab.data() + c * count + i * kTile, x[static_cast<size_t>(i)] + column + c,
                      width * sizeof(float));
        }
      }
      for (int64_t c = 0; c < kSlab && column + c < end; c += kTile) {
        float* tile = slab.data() + c * count;
        SortTile(tile, pairs.data(), pairs.size());
        work({column + c, std::min(kTile, end - column - c), kTile, tile});
      }
    }
  });
}

std::vector<double> CohortMatrix::SquaredDistances() const {
  const int64_t count = n();
  const auto x = Pointers(rows, parameters);
  auto sums = SumOverBlocks(*this, count * count, [&](int64_t begin, int64_t end, double* partial) {
    for (int64_t c = begin; c < end; c += kStrip)
      StripDistances(x.data(), count, c, std::min(kStrip, end - c), partial);
  });
  for (int64_t i = 0; i < count; ++i) {
    for (int64_t j = 0; j < i; ++j)
      sums[static_cast<size_t>(i * count + j)] = sums[static_cast<size_t>(j * count + i)];
    sums[static_cast<size_t>(i * count + i)] = 0;
  }
  return sums;
}

std::vector<double> CohortMatrix::SquaredDistancesTo(const at::Tensor& y) const {
  const auto x = Pointers(rows, parameters);
  const float* to = Row(y, parameters);
  return SumOverBlocks(*this, n(), [&](int64_t begin, int64_t end, double* sums) {
    for (size_t i = 0; i < x.size(); ++i)
      sums[i] += SquaredDistance(x[i] + begin, to + begin, end - begin);
  });
}

std::vector<double> CohortMatrix::InnerProducts(const at::Tensor& y) const {
  const auto x = Pointers(rows, parameters);
  const float* with = Row(y, parameters);
  return SumOverBlocks(*this, n(), [&](int64_t begin, int64_t end, double* sums) {
    for (size_t i = 0; i < x.size(); ++i)
      sums[i] += InnerProduct(x[i] + begin, with + begin, end - begin);
  });
}

void CohortMatrix::WeightedSum(const std::vector<double>& weights, const at::Tensor& out,
                               int64_t begin, int64_t end, double keep) const {
  FLSIM_CHECK(weights.size() == rows.size(), weights.size(), rows.size());
  const auto x = Pointers(rows, end);
  Row(out, end);
  float* y = out.mutable_data_ptr<float>();
  ForBlocks(end - begin, [&](int64_t block_begin, int64_t block_end) {
    constexpr int64_t kPiece = 1024;
    double sum[kPiece];
    for (int64_t c = begin + block_begin; c < begin + block_end; c += kPiece) {
      const int64_t width = std::min(kPiece, begin + block_end - c);
      std::fill(sum, sum + width, 0.0);
      if (keep != 0) AddScaledLoop(sum, keep, y + c, width);
      for (size_t i = 0; i < x.size(); ++i) {
        if (weights[i] != 0) AddScaledLoop(sum, weights[i], x[i] + c, width);
      }
      for (int64_t k = 0; k < width; ++k) y[c + k] = static_cast<float>(sum[k]);
    }
  });
}

void CohortMatrix::MeanOf(const std::vector<int64_t>& indices, const at::Tensor& out) const {
  std::vector<double> shares(rows.size(), 0.0);
  for (const int64_t i : indices)
    shares[static_cast<size_t>(i)] = 1 / static_cast<double>(indices.size());
  WeightedSum(shares, out);
}

void CohortMatrix::Mean(const at::Tensor& out) const {
  WeightedSum(std::vector<double>(rows.size(), 1 / static_cast<double>(n())), out);
}

void CohortMatrix::Mix(const std::vector<std::vector<int64_t>>& neighbours) {
  const int64_t count = n();
  Pointers(rows, columns());
  std::vector<float*> x;
  for (const at::Tensor& row : rows) x.push_back(row.mutable_data_ptr<float>());
  ForBlocks(columns(), [&](int64_t begin, int64_t end) {
    std::vector<double> slab(static_cast<size_t>(count * kSlab));
    for (int64_t column = begin; column < end; column += kSlab) {
      const int64_t width = std::min(kSlab, end - column);
      for (int64_t i = 0; i < count; ++i) {
        for (int64_t c = 0; c < width; ++c) {
          slab[static_cast<size_t>(c / kTile * kTile * count + i * kTile + c % kTile)] =
              x[static_cast<size_t>(i)][column + c];
        }
      }
      for (int64_t c = 0; c < width; c += kTile) {
        for (size_t i = 0; i < x.size(); ++i) {
          MeanOfTileRows(slab.data() + c * count, neighbours[i],
                         static_cast<double>(neighbours[i].size()), x[i] + column + c,
                         std::min(kTile, width - c));
        }
      }
    }
  });
  weights.assign(rows.size(), 1.0);
}

}  // namespace flsim
