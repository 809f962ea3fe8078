// Statistics of few numbers, such as one metric over seeds: intervals, tests, effect sizes.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace flsim {

struct Interval {
  double low = 0, high = 0;
};

/// Of one value at least.
double Mean(const std::vector<double>& values);

/// The sample's, with n - 1 in the denominator; of two values at least.
double StandardDeviation(const std::vector<double>& values);

/// Student's interval of the mean, mean +- t(n - 1) sd / sqrt(n); of two values at least.
/// `confidence` is between 0 and 1 here and below.
Interval TInterval(const std::vector<double>& values, double confidence);

/// The means of `count` samples drawn from `values` with replacement, the same for the same values.
std::vector<double> ResampledMeans(const std::vector<double>& values, int64_t count);

/// The bias-corrected and accelerated bootstrap interval of the mean, BCa (Efron 1987, "Better
/// bootstrap confidence intervals"): quantiles of the resampled means, interpolated linearly, with
/// the acceleration from the jackknife. Of two values at least.
Interval BcaInterval(const std::vector<double>& values, std::vector<double> resampled_means,
                     double confidence);

/// A two-sided test of a mean, or a difference of means, against 0.
struct TTest {
  double mean = 0;    ///< that is tested
  double t = 0;       ///< infinite where nothing varies and the mean is not 0
  double df = 0;      ///< degrees of freedom
  double p = 1;       ///< 1 where nothing varies and the mean is 0
  Interval interval;  ///< of the mean
};

/// Student's test of the mean; of paired differences it is the paired t test. Two values at least.
TTest StudentTest(const std::vector<double>& differences, double confidence);

/// Welch's test of mean(a) - mean(b), with the degrees of freedom of Satterthwaite (1946). Two
/// values each at least.
TTest WelchTest(const std::vector<double>& a, const std::vector<double>& b, double confidence);

/// The most differences that SignFlipP takes.
constexpr size_t kMaxSignFlips = 20;

/// The two-sided p of the exact sign-flip permutation test (Fisher 1935) of paired differences: the
/// part of the 2^n ways to choose their signs whose mean is as far from 0 as the observed one. Of 1
/// to kMaxSignFlips differences.
double SignFlipP(const std::vector<double>& differences);

/// The p values adjusted for their number by the step-down procedure of Holm (1979), in their
/// order.
std::vector<double> HolmAdjust(const std::vector<double>& p);

/// The standardised mean of paired differences, d_z = mean / sd (Cohen 1988); absent where they do
/// not vary. Of two differences at least.
std::optional<double> CohenDz(const std::vector<double>& differences);

/// Hedges' g (Hedges 1981): (mean(a) - mean(b)) / pooled sd, times the exact correction of its bias
/// in small samples; absent where neither varies. Two values each at least.
std::optional<double> HedgesG(const std::vector<double>& a, const std::vector<double>& b);

/// The area under the points, by the trapezoidal rule; x increases.
double TrapezoidArea(const std::vector<std::pair<double, double>>& points);

/// Infinite values are allowed, as for what was never reached. Of one value at least.
double Median(std::vector<double> values);

}  // namespace flsim
