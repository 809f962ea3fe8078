#include "engine/analysis/statistics.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "engine/core/json.h"

namespace flsim {
namespace {

using Doubles = std::vector<double>;

Json Reference() { return ReadJsonFile("tests/reference/seed_statistics.json"); }

Approx Near(const Json& value) { return Approx(value.get<double>()).epsilon(1e-9).margin(1e-15); }

void CheckInterval(const Interval& interval, const Json& expected) {
  CHECK(interval.low == Near(expected[0]));
  CHECK(interval.high == Near(expected[1]));
}

TEST_CASE("mean, deviation, Student's interval and test are SciPy's") {
  const Json reference = Reference();
  for (const Json& sample : reference["samples"]) {
    const auto values = sample["values"].get<Doubles>();
    INFO(sample["values"].dump());
    CHECK(Mean(values) == Near(sample["mean"]));
    CHECK(StandardDeviation(values) == Near(sample["sd"]));
    for (size_t i = 0; i < reference["confidences"].size(); ++i) {
      const double confidence = reference["confidences"][i].get<double>();
      CheckInterval(TInterval(values, confidence), sample["t_intervals"][i]);
    }
    const TTest test = StudentTest(values, 0.95);
    CHECK(test.t == Near(sample["t"]));
    CHECK(test.p == Near(sample["p"]));
    CHECK(*CohenDz(values) == Near(sample["d_z"]));
  }
}

TEST_CASE("the BCa interval of given resamples is SciPy's") {
  const Json reference = Reference();
  for (const Json& sample : reference["samples"]) {
    INFO(sample["values"].dump());
    for (size_t i = 0; i < reference["confidences"].size(); ++i) {
      const Interval interval =
          BcaInterval(sample["values"].get<Doubles>(), sample["resampled_means"].get<Doubles>(),
                      reference["confidences"][i].get<double>());
      CheckInterval(interval, sample["bca_intervals"][i]);
    }
  }
}

TEST_CASE("the sign-flip test is SciPy's exact permutation test") {
  const Json reference = Reference();
  for (const Json& sample : reference["samples"])
    CHECK(SignFlipP(sample["values"].get<Doubles>()) == Near(sample["p_sign_flip"]));
}

TEST_CASE("Welch's test and Hedges' g are SciPy's") {
  const Json reference = Reference();
  for (const Json& pair : reference["pairs"]) {
    const auto a = pair["a"].get<Doubles>(), b = pair["b"].get<Doubles>();
    INFO(pair.dump());
    for (size_t i = 0; i < reference["confidences"].size(); ++i) {
      const TTest test = WelchTest(a, b, reference["confidences"][i].get<double>());
      CHECK(test.t == Near(pair["t"]));
      CHECK(test.df == Near(pair["df"]));
      CHECK(test.p == Near(pair["p"]));
      CheckInterval(test.interval, pair["intervals"][i]);
    }
    CHECK(*HedgesG(a, b) == Near(pair["hedges_g"]));
  }
}

TEST_CASE("Holm's adjustment is statsmodels', and the trapezoidal rule SciPy's") {
  const Json reference = Reference();
  for (const Json& each : reference["holm"]) {
    const Doubles adjusted = HolmAdjust(each["p"].get<Doubles>());
    REQUIRE(adjusted.size() == each["adjusted"].size());
    for (size_t i = 0; i < adjusted.size(); ++i) CHECK(adjusted[i] == Near(each["adjusted"][i]));
  }
  for (const Json& each : reference["areas"]) {
    CHECK(TrapezoidArea(each["points"].get<std::vector<std::pair<double, double>>>()) ==
          Near(each["area"]));
  }
}

TEST_CASE("differences that are all 0 have p 1, an interval of no length and no effect size") {
  const Doubles zeros = {0, 0, 0};
  const TTest test = StudentTest(zeros, 0.95);
  CHECK(test.t == 0);
  CHECK(test.p == 1);
  CHECK(test.interval.low == 0);
  CHECK(test.interval.high == 0);
  CHECK(SignFlipP(zeros) == 1);
  CHECK_FALSE(CohenDz(zeros));
  const Interval bootstrap = BcaInterval(zeros, ResampledMeans(zeros, 100), 0.95);
  CHECK(bootstrap.low == 0);
  CHECK(bootstrap.high == 0);
}

TEST_CASE("values that do not vary, but for 0.1's rounding, differ from 0 beyond doubt") {
  const TTest paired = StudentTest({0.1, 0.1, 0.1}, 0.95);
  CHECK(paired.p == 0);
  CHECK(paired.t == std::numeric_limits<double>::infinity());
  CHECK(WelchTest({1, 1}, {2, 2, 2}, 0.95).t == -std::numeric_limits<double>::infinity());
  CHECK_FALSE(HedgesG({1, 1}, {2, 2, 2}));
}

TEST_CASE("of 20 differences of one sign, two of the 2^20 choices of signs are as extreme") {
  CHECK(SignFlipP(Doubles(20, -0.3)) == std::ldexp(1, -19));
  CHECK(SignFlipP({0.5}) == 1);
}

TEST_CASE("resampled means are the same each time, and their spread is sd / sqrt(n)") {
  const Doubles values = {1, 2, 4, 8, 16};
  const Doubles means = ResampledMeans(values, 20000);
  CHECK(means == ResampledMeans(values, 20000));
  CHECK(Mean(means) == Approx(Mean(values)).epsilon(0.01));
  // A resample's variance is the sample's with n in the denominator.
  CHECK(StandardDeviation(means) ==
        Approx(StandardDeviation(values) * std::sqrt(4.0) / 5).epsilon(0.02));
}

TEST_CASE("what is never reached comes last in a median") {
  const double never = std::numeric_limits<double>::infinity();
  CHECK(Median({never, 3, 5}) == 5);
  CHECK(Median({never, 3, never}) == never);
  CHECK(Median({3, never, 5, 1}) == 4);
  CHECK(Median({never, never}) == never);
}

}  // namespace
}  // namespace flsim
