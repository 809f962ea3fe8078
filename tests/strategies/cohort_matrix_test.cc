#include "strategies/cohort_matrix.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <set>

#include "tests/strategies/aggregator_cohort.h"

namespace flsim {
namespace {

CohortMatrix Matrix(const Cohort& cohort, int64_t buffers = 0, const Parallel& parallel = {}) {
  CohortMatrix matrix;
  for (const Values& row : cohort) matrix.rows.push_back(Vector(row));
  matrix.weights.assign(cohort.size(), 1.0);
  matrix.parameters = matrix.columns() - buffers;
  matrix.parallel = parallel;
  return matrix;
}

double SquaredDistance(const Values& a, const Values& b, size_t columns) {
  double sum = 0;
  for (size_t c = 0; c < columns; ++c) {
    const double difference = static_cast<double>(a[c]) - b[c];
    sum += difference * difference;
  }
  return sum;
}

/// Around the sizes of tiles, strips and blocks.
const std::vector<int64_t> kColumns = {1, 7, 8, 31, 33, 255, 511, 513, 1025, 16383, 40007};

TEST_CASE("squared distances are those of every pair over the parameters alone") {
  for (const int64_t n : {1, 2, 3, 4, 5, 8, 11}) {
    for (const int64_t columns : kColumns) {
      const Cohort cohort = RandomCohort(n, columns + 3);
      const auto distances = Matrix(cohort, 3).SquaredDistances();
      REQUIRE(distances.size() == cohort.size() * cohort.size());
      for (size_t i = 0; i < cohort.size(); ++i) {
        for (size_t j = 0; j < cohort.size(); ++j) {
          const double expected =
              SquaredDistance(cohort[i], cohort[j], static_cast<size_t>(columns));
          CAPTURE(n, columns, i, j);
          REQUIRE(std::abs(distances[i * cohort.size() + j] - expected) <= 5e-6 * expected);
        }
      }
    }
  }
}

TEST_CASE("a row however long takes no precision from the distances of the others") {
  Cohort cohort = RandomCohort(7, 1000);
  const auto former = Matrix(cohort).SquaredDistances();
  for (const float size : {1e8f, 1e15f, 3e38f}) {
    cohort[3].assign(1000, size);
    const auto distances = Matrix(cohort).SquaredDistances();
    for (size_t i = 0; i < 7; ++i) {
      for (size_t j = 0; j < 7; ++j) {
        if (i == 3 || j == 3)
          REQUIRE((i == j || distances[7 * i + j] >= 999.0 * size));
        else
          REQUIRE(distances[7 * i + j] == former[7 * i + j]);
      }
    }
  }
}

TEST_CASE("rows that differ little keep the precision of their distance wherever they lie") {
  Cohort cohort = RandomCohort(2, 1000);
  for (size_t c = 0; c < 1000; ++c) cohort[1][c] = cohort[0][c] = 4096 + 64 * cohort[0][c];
  cohort[1][500] += 1.0f / 256;
  CHECK(Matrix(cohort).SquaredDistances()[1] == 1.0 / 65536);
}

TEST_CASE("distances and inner products with a vector are exact in double precision") {
  for (const int64_t columns : kColumns) {
    const Cohort cohort = RandomCohort(5, columns + 2);
    const Values to = RandomRow(columns, 99);
    const CohortMatrix matrix = Matrix(cohort, 2);
    const auto distances = matrix.SquaredDistancesTo(Vector(to));
    const auto products = matrix.InnerProducts(Vector(to));
    for (size_t i = 0; i < 5; ++i) {
      const double distance = SquaredDistance(cohort[i], to, to.size());
      double product = 0;
      for (size_t c = 0; c < to.size(); ++c) product += static_cast<double>(cohort[i][c]) * to[c];
      REQUIRE(std::abs(distances[i] - distance) <= 1e-12 * distance);
      REQUIRE(std::abs(products[i] - product) <= 1e-12 * static_cast<double>(columns));
    }
  }
}

TEST_CASE("sorted columns are the sorted values of each column, every column once") {
  std::vector<int64_t> sizes = {100, 127, 128, 129};
  for (int64_t n = 1; n <= 40; ++n) sizes.push_back(n);
  for (const int64_t n : sizes) {
    const int64_t columns = kColumns[static_cast<size_t>(n) % (kColumns.size() - 2)];
    Cohort cohort = RandomCohort(n, columns);
    if (n > 2) cohort[1] = cohort[0];
    std::vector<int> seen(static_cast<size_t>(columns), 0);
    bool sorted = true;
    Matrix(cohort).ForSortedColumns([&](const CohortMatrix::SortedColumns& part) {
      for (int64_t c = 0; c < part.width; ++c) {
        ++seen[static_cast<size_t>(part.column + c)];
        Values expected, got;
        for (int64_t i = 0; i < n; ++i) {
          expected.push_back(cohort[static_cast<size_t>(i)][static_cast<size_t>(part.column + c)]);
          got.push_back(part.values[i * part.stride + c]);
        }
        std::sort(expected.begin(), expected.end());
        sorted = sorted && got == expected;
      }
    });
    CAPTURE(n, columns);
    REQUIRE(sorted);
    REQUIRE(seen == std::vector<int>(static_cast<size_t>(columns), 1));
  }
}

TEST_CASE("a weighted sum is rounded once and reads no row of weight 0") {
  for (const int64_t columns : kColumns) {
    Cohort cohort = RandomCohort(4, columns);
    cohort[2].assign(static_cast<size_t>(columns), std::numeric_limits<float>::quiet_NaN());
    const CohortMatrix matrix = Matrix(cohort);
    const std::vector<double> weights = {0.1, -3, 0, 1e3};
    const at::Tensor out = Vector(RandomRow(columns, 50));
    const Values before = Read(out);
    const int64_t begin = columns / 3;
    matrix.WeightedSum(weights, out, begin, columns, 0.7);
    const Values after = Read(out);
    for (size_t c = 0; c < after.size(); ++c) {
      double sum = 0.7 * before[c];
      for (const size_t i : {0, 1, 3}) sum += weights[i] * static_cast<double>(cohort[i][c]);
      const bool inside = static_cast<int64_t>(c) >= begin;
      REQUIRE(after[c] == (inside ? static_cast<float>(sum) : before[c]));
    }
  }
}

TEST_CASE("a weighted sum does not read what it overwrites, and may overwrite a row") {
  const Cohort cohort = RandomCohort(3, 5000);
  const CohortMatrix matrix = Matrix(cohort);
  const at::Tensor out = Vector(Values(5000, std::numeric_limits<float>::quiet_NaN()));
  matrix.WeightedSum({0.25, 0.5, 0.25}, out);
  matrix.WeightedSum({0.25, 0.5, 0.25}, matrix.rows[1]);
  CHECK(std::isfinite(Read(out)[17]));
  CHECK(Read(out) == Read(matrix.rows[1]));
}

TEST_CASE("mixing replaces every row by the mean of its neighbours as they were") {
  for (const int64_t columns : kColumns) {
    const Cohort cohort = RandomCohort(4, columns);
    CohortMatrix matrix = Matrix(cohort);
    const std::vector<std::vector<int64_t>> neighbours = {{0, 3}, {0, 1}, {2, 3}, {1, 3}};
    matrix.Mix(neighbours);
    for (size_t i = 0; i < 4; ++i) {
      const Values expected = MeanOf(
          cohort, {static_cast<size_t>(neighbours[i][0]), static_cast<size_t>(neighbours[i][1])});
      REQUIRE(Read(matrix.rows[i]) == expected);
    }
  }
}

TEST_CASE("every operation on a cohort has the same bits for any number of threads") {
  const Cohort cohort = RandomCohort(9, 70001);
  const Values to = RandomRow(70001, 77);
  const auto run = [&](const Parallel& parallel) {
    CohortMatrix matrix = Matrix(cohort, 1, parallel);
    std::vector<std::vector<double>> results = {matrix.SquaredDistances(),
                                                matrix.SquaredDistancesTo(Vector(to)),
                                                matrix.InnerProducts(Vector(to))};
    const at::Tensor out = Vector(to);
    matrix.WeightedSum({1, 2, 3, 4, 5, 6, 7, 8, 9}, out, 0, 70001, 0.1);
    std::vector<std::vector<int64_t>> neighbours;
    for (int64_t i = 0; i < 9; ++i) neighbours.push_back({i, (i + 1) % 9, (i + 4) % 9});
    matrix.Mix(neighbours);
    Cohort values = {Read(out)};
    for (const at::Tensor& row : matrix.rows) values.push_back(Read(row));
    return std::make_pair(results, values);
  };
  const auto expected = run({});
  for (const int threads : {1, 2, 5}) CHECK(run(Threads(threads)) == expected);
}

}  // namespace
}  // namespace flsim
