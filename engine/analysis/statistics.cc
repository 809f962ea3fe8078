#include "engine/analysis/statistics.h"

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <boost/math/special_functions/gamma.hpp>
#include <cmath>
#include <limits>
#include <numeric>

#include "engine/core/error.h"
#include "engine/core/rng.h"

namespace flsim {
namespace {

/// Mean of the values, each taken `counts` times. The second pass makes it exact where all are
/// equal.
double CountedMean(const std::vector<double>& values, const std::vector<int64_t>& counts) {
  const auto n = static_cast<double>(std::accumulate(counts.begin(), counts.end(), int64_t{0}));
  double mean = 0, rest = 0;
  for (size_t i = 0; i < values.size(); ++i) mean += static_cast<double>(counts[i]) * values[i];
  mean /= n;
  for (size_t i = 0; i < values.size(); ++i)
    rest += static_cast<double>(counts[i]) * (values[i] - mean);
  return mean + rest / n;
}

double SumOfSquares(const std::vector<double>& values) {
  const double mean = Mean(values);
  double sum = 0;
  for (const double value : values) sum += (value - mean) * (value - mean);
  return sum;
}

/// The quantile at `part` of sorted values, interpolated linearly between order statistics.
double Quantile(const std::vector<double>& sorted, double part) {
  const double place = part * static_cast<double>(sorted.size() - 1);
  const auto below = std::min(static_cast<size_t>(place), sorted.size() - 1);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

TTest TestOf(double mean, double standard_error, double df, double confidence) {
  FLSIM_CHECK(confidence > 0 && confidence < 1, confidence);
  TTest test;
  test.mean = mean;
  test.df = df;
  test.interval = {mean, mean};
  if (standard_error == 0) {
    test.t = mean == 0 ? 0 : std::copysign(std::numeric_limits<double>::infinity(), mean);
    test.p = mean == 0 ? 1 : 0;
    return test;
  }
  const boost::math::students_t distribution(df);
  test.t = mean / standard_error;
  test.p = 2 * boost::math::cdf(boost::math::complement(distribution, std::abs(test.t)));
  const double half = standard_error * boost::math::quantile(distribution, 0.5 + confidence / 2);
  test.interval = {mean - half, mean + half};
  return test;
}

}  // namespace

double Mean(const std::vector<double>& values) {
  FLSIM_CHECK(!values.empty());
  return CountedMean(values, std::vector<int64_t>(values.size(), 1));
}

double StandardDeviation(const std::vector<double>& values) {
  FLSIM_CHECK(values.size() >= 2, values.size());
  return std::sqrt(SumOfSquares(values) / static_cast<double>(values.size() - 1));
}

Interval TInterval(const std::vector<double>& values, double confidence) {
  return StudentTest(values, confidence).interval;
}

std::vector<double> ResampledMeans(const std::vector<double>& values, int64_t count) {
  FLSIM_CHECK(!values.empty());
  Rng rng(0, {"bootstrap"});
  std::vector<double> means(static_cast<size_t>(count));
  std::vector<int64_t> counts(values.size());
  for (double& mean : means) {
    std::fill(counts.begin(), counts.end(), 0);
    for (size_t i = 0; i < values.size(); ++i) ++counts[rng.Below(values.size())];
    mean = CountedMean(values, counts);
  }
  return means;
}

Interval BcaInterval(const std::vector<double>& values, std::vector<double> resampled_means,
                     double confidence) {
  FLSIM_CHECK(values.size() >= 2 && !resampled_means.empty(), values.size());
  const boost::math::normal normal;
  std::sort(resampled_means.begin(), resampled_means.end());
  const double mean = Mean(values);
  // Means that equal the sample's but for rounding count half.
  const double rounding =
      1e-12 * std::max(std::abs(resampled_means.front()), std::abs(resampled_means.back()));
  const auto up_to = [&](double value) {
    return static_cast<double>(
        std::upper_bound(resampled_means.begin(), resampled_means.end(), value) -
        resampled_means.begin());
  };
  const double counted = (up_to(mean - rounding) + up_to(mean + rounding)) / 2;
  const auto draws = static_cast<double>(resampled_means.size());
  const double part = std::clamp(counted / draws, 0.5 / draws, 1 - 0.5 / draws);
  const double bias = boost::math::quantile(normal, part);

  // The mean of the jackknife less one of its values is (value - mean) / (n - 1), whose factor
  // cancels.
  double squares = 0, cubes = 0;
  for (const double value : values) {
    squares += (value - mean) * (value - mean);
    cubes += std::pow(value - mean, 3);
  }
  const double acceleration = squares == 0 ? 0 : cubes / (6 * std::pow(squares, 1.5));
  const auto quantile = [&](double nominal) {
    const double z = bias + boost::math::quantile(normal, nominal);
    return Quantile(resampled_means, boost::math::cdf(normal, bias + z / (1 - acceleration * z)));
  };
  return {quantile(0.5 - confidence / 2), quantile(0.5 + confidence / 2)};
}

TTest StudentTest(const std::vector<double>& differences, double confidence) {
  const auto n = static_cast<double>(differences.size());
  return TestOf(Mean(differences), StandardDeviation(differences) / std::sqrt(n), n - 1,
                confidence);
}

TTest WelchTest(const std::vector<double>& a, const std::vector<double>& b, double confidence) {
  const auto n = static_cast<double>(a.size()), m = static_cast<double>(b.size());
  const double of_a = std::pow(StandardDeviation(a), 2) / n;
  const double of_b = std::pow(StandardDeviation(b), 2) / m;
  const double variance = of_a + of_b;
  const double part = variance == 0 ? 0 : of_a / variance;
  const double df = 1 / (part * part / (n - 1) + (1 - part) * (1 - part) / (m - 1));
  return TestOf(Mean(a) - Mean(b), std::sqrt(variance), df, confidence);
}

double SignFlipP(const std::vector<double>& differences) {
  const size_t n = differences.size();
  FLSIM_CHECK(n >= 1 && n <= kMaxSignFlips, n);
  // The sums of all choices of signs, but for the first: the other half mirrors these.
  std::vector<double> sums = {differences[0]};
  double size = std::abs(differences[0]);
  for (size_t i = 1; i < n; ++i) {
    const size_t half = sums.size();
    for (size_t j = 0; j < half; ++j) {
      sums.push_back(sums[j] - differences[i]);
      sums[j] += differences[i];
    }
    size += std::abs(differences[i]);
  }
  const double observed = std::abs(sums[0]) - 1e-12 * size;  // sums that are equal but for rounding
  const auto extreme = std::count_if(sums.begin(), sums.end(),
                                     [&](double sum) { return std::abs(sum) >= observed; });
  return static_cast<double>(extreme) / static_cast<double>(sums.size());
}

std::vector<double> HolmAdjust(const std::vector<double>& p) {
  std::vector<size_t> order(p.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return p[a] < p[b]; });
  std::vector<double> adjusted(p.size());
  double largest = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    largest = std::max(largest, static_cast<double>(order.size() - i) * p[order[i]]);
    adjusted[order[i]] = std::min(largest, 1.0);
  }
  return adjusted;
}

std::optional<double> CohenDz(const std::vector<double>& differences) {
  const double sd = StandardDeviation(differences);
  if (sd == 0) return std::nullopt;
  return Mean(differences) / sd;
}

std::optional<double> HedgesG(const std::vector<double>& a, const std::vector<double>& b) {
  FLSIM_CHECK(a.size() >= 2 && b.size() >= 2, a.size(), b.size());
  const auto df = static_cast<double>(a.size() + b.size() - 2);
  const double sd = std::sqrt((SumOfSquares(a) + SumOfSquares(b)) / df);
  if (sd == 0) return std::nullopt;
  // J = Gamma(df / 2) / (sqrt(df / 2) Gamma((df - 1) / 2))
  const double correction =
      1 / (std::sqrt(df / 2) * boost::math::tgamma_delta_ratio((df - 1) / 2, 0.5));
  return (Mean(a) - Mean(b)) / sd * correction;
}

double TrapezoidArea(const std::vector<std::pair<double, double>>& points) {
  double area = 0;
  for (size_t i = 1; i < points.size(); ++i)
    area += (points[i].first - points[i - 1].first) * (points[i].second + points[i - 1].second) / 2;
  return area;
}

double Median(std::vector<double> values) {
  FLSIM_CHECK(!values.empty());
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

}  // namespace flsim
