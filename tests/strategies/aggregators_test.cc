// The rules on cohorts small enough to work out by hand, and on recorded outliers.
#include <catch2/catch.hpp>
#include <cmath>

#include "tests/strategies/aggregator_cohort.h"

namespace flsim {
namespace {

Values Delta(const Json& spec, const Cohort& cohort, const Folding& folding = {}) {
  return Fold(spec, cohort, folding).delta;
}

/// A cohort of one coordinate each.
Cohort Points(const Values& points) {
  Cohort cohort;
  for (const float point : points) cohort.push_back({point});
  return cohort;
}

TEST_CASE("median takes the middle value, or the mean of the two in the middle") {
  CHECK(Delta("median", Points({1, 5, 3})) == Values{3});
  CHECK(Delta("median", Points({1, 100, 5, 3})) == Values{4});
  CHECK(Delta("median", Points({7})) == Values{7});
  CHECK(Delta("median", {{1, -8}, {2, -9}, {30, -7}}) == Values{2, -8});
}

TEST_CASE("trimmed_mean cuts the rounded down part at each end") {
  CHECK(Delta({{"name", "trimmed_mean"}, {"beta", 0.2}}, Points({10, 1, 2, 3, -50})) == Values{2});
  CHECK(Delta({{"name", "trimmed_mean"}, {"beta", 0.25}}, Points({0, 1, 2, 3, 4, 5, 60})) ==
        Values{3});
  CHECK(Delta({{"name", "trimmed_mean"}, {"beta", 0.19}}, Points({10, 1, 2, 3, -46})) ==
        Values{-6});
}

TEST_CASE("krum sums the squared distances to the n - f - 2 nearest others") {
  // f = 1, two neighbours: scores 5, 2, 1.25, 2.5, ...; with three, 1 would be best.
  const Cohort cohort = Points({0, 1, 2, 2.5, 10});
  CHECK(Delta({{"name", "krum"}, {"num_malicious", 1}}, cohort) == Values{2});
  CHECK(Delta("krum", cohort) == Values{1});
}

TEST_CASE("multikrum is the uniform mean of the best Krum scores") {
  const Cohort cohort = Points({0, 1, 2, 2.5, 10});
  Json spec = {{"name", "multikrum"}, {"num_malicious", 1}, {"num_selected", 2}};
  Folding folding;
  folding.weights = {1, 1, 7, 1, 1};
  CHECK(Delta(spec, cohort, folding) == Values{1.5});
  spec["num_selected"] = 3;
  CHECK(Delta(spec, cohort) == Values{5.5f / 3});
  spec["num_selected"] = 1;
  CHECK(Delta(spec, cohort) == Values{2});
  spec.erase("num_selected");
  CHECK(Delta(spec, cohort) == Values{5.5f / 4});
}

TEST_CASE("bulyan picks by Krum one at a time, or as Flower does all at once") {
  // Krum picks 21, 16, 2, 23 and 12: their median is 16, and 16, 12 and 21 are closest to it.
  const Cohort cohort = Points({16, 12, 23, 0, 21, 24, 2});
  Json spec = {{"name", "bulyan"}, {"num_malicious", 1}};
  CHECK(Delta(spec, cohort) == Values{49.0f / 3});
  // The five best scores are those of 12, 16, 21, 23 and 24.
  spec["selection"] = "multikrum";
  CHECK(Delta(spec, cohort) == Values{68.0f / 3});
}

TEST_CASE("meamed averages the n - f values closest to the median") {
  // The median is 1.5; 1, 2 and 0 are closest.
  CHECK(Delta({{"name", "meamed"}, {"num_malicious", 1}}, Points({0, 1, 2, 10})) == Values{1});
  CHECK(Delta({{"name", "meamed"}, {"num_malicious", 2}}, Points({-90, 0, 1, 4, 90})) ==
        Values{5.0f / 3});
}

TEST_CASE("geometric_median of points on a line is the one in the middle") {
  const Json spec = {{"name", "geometric_median"}, {"iterations", 2000}, {"tolerance", 0}};
  const Values median = Delta(spec, {{0, 0}, {1, 2}, {3, 6}, {10, 20}, {50, 100}});
  CHECK(Difference(median, {3, 6}) < 1e-5);
}

TEST_CASE("geometric_median of a triangle is its Fermat point") {
  const Json spec = {{"name", "geometric_median"}, {"iterations", 2000}, {"tolerance", 0}};
  // Seen from it the corners are 120 degrees apart.
  CHECK(Difference(Delta(spec, {{-1, 0}, {1, 0}, {0, 3}}), {0, 1 / std::sqrt(3.0f)}) < 1e-6);
  // Where a corner is wider than that, it is the corner.
  CHECK(Difference(Delta(spec, {{-10, 0}, {10, 0}, {0, 1}}), {0, 1}) < 1e-5);
}

TEST_CASE("geometric_median weighs distances by examples if told to") {
  Json spec = {{"name", "geometric_median"},
               {"iterations", 500},
               {"tolerance", 0},
               {"weighting", "examples"}};
  Folding folding;
  folding.weights = {30, 10, 10};
  const Cohort cohort = {{0, 0}, {4, 0}, {0, 4}};
  CHECK(Difference(Delta(spec, cohort, folding), {0, 0}) < 1e-5);
  folding.weights = {0, 0, 0};
  const Values unweighted = Delta(spec, cohort, folding);
  spec["weighting"] = "uniform";
  CHECK(unweighted == Delta(spec, cohort));
}

TEST_CASE("one iteration of geometric_median weighs updates by the inverse of their distance") {
  const Json spec = {
      {"name", "geometric_median"}, {"iterations", 1}, {"start", "zero"}, {"smoothing", 2}};
  // Distances from 0: 5, 10 and 1, which counts as 2: weights 0.2, 0.1 and 0.5.
  Folding folding;
  folding.buffers = 1;
  const Folded folded = Fold(spec, {{3, 4, 1}, {-6, 8, 2}, {0, 1, 4}}, folding);
  CHECK(Difference(folded.delta, {0.0f / 0.8f, (0.8f + 0.8f + 0.5f) / 0.8f}) < 1e-6);
  CHECK(Difference(folded.buffers, {2.4f / 0.8f}) < 1e-6);
}

TEST_CASE("centered_clipping averages updates clipped to the radius") {
  const Cohort cohort = {{3, 4, 10}, {0, 0.5, 40}};
  Folding folding;
  folding.buffers = 1;
  Json spec = {{"name", "centered_clipping"}, {"radius", 1}};
  const Folded once = Fold(spec, cohort, folding);
  CHECK(Difference(once.delta, {0.3f, 0.65f}) < 1e-7);
  // Buffers are averaged with the same factors, 0.2 and 1.
  CHECK(Difference(once.buffers, {42 / 1.2f}) < 1e-5);
  // From there (3, 4) is at distance sqrt(2.7^2 + 3.35^2), (0, 0.5) inside the radius.
  spec["iterations"] = 2;
  const double factor = 1 / std::hypot(2.7, 3.35);
  const Values twice = {static_cast<float>(0.3 + (2.7 * factor - 0.3) / 2),
                        static_cast<float>(0.65 + (3.35 * factor - 0.15) / 2)};
  CHECK(Difference(Fold(spec, cohort, folding).delta, twice) < 1e-6);
  // One iteration from the last round's aggregate, had that been (0.3, 0.65), is the same.
  folding.previous_delta = {0.3f, 0.65f};
  spec["iterations"] = 1;
  CHECK(Difference(Fold(spec, cohort, folding).delta, twice) < 1e-6);
}

TEST_CASE("centered_clipping with a large radius is the mean after one step") {
  const Cohort cohort = RandomCohort(6, 50);
  CHECK(Difference(Delta({{"name", "centered_clipping"}, {"radius", 1e6}}, cohort),
                   MeanOf(cohort)) < 1e-6);
}

TEST_CASE("fltrust weighs updates by the cosine with the server's, at the server's length") {
  Folding folding;
  folding.root_delta = {1, 0};
  folding.buffers = 1;
  const float cosine = std::sqrt(0.5f);
  const Folded folded =
      Fold("fltrust", {{2, 0, 1}, {0, 5, 2}, {-1, 0, 3}, {3, 3, 4}, {0, 0, 5}}, folding);
  CHECK(Difference(folded.delta, {1.5f / (1 + cosine), 0.5f / (1 + cosine)}) < 1e-6);
  CHECK(Difference(folded.buffers, {(1 + 4 * cosine) / (1 + cosine)}) < 1e-6);
  CHECK(std::abs(folded.squared_norm - 2.5 / std::pow(1 + std::sqrt(0.5), 2)) < 1e-6);
}

TEST_CASE("fltrust stays where it is when nobody agrees with the server") {
  Folding folding;
  folding.buffers = 1;
  for (const Values& root : {Values{1, 0}, Values{0, 0}}) {
    folding.root_delta = root;
    const Folded folded = Fold("fltrust", {{-2, 0, 1}, {0, 5, 3}}, folding);
    CHECK(folded.delta == Values{0, 0});
    CHECK(folded.buffers == Values{2});
  }
}

TEST_CASE("dnc takes away the updates that lie farthest along the top direction") {
  // All vary by 1 along the first axis; two lie far out on the second.
  const Cohort cohort = {{1, 0}, {-1, 0}, {1, 0}, {0, 9}, {-1, 0}, {0, 8}, {3, 0}};
  Json spec = {{"name", "dnc"}, {"num_malicious", 2}};
  CHECK(Difference(Delta(spec, cohort), {0.6f, 0}) < 1e-6);
  // 0.4 times 2 rounds up to 1.
  spec["filter_factor"] = 0.4;
  CHECK(Difference(Delta(spec, cohort), {0.5f, 8.0f / 6}) < 1e-6);
}

TEST_CASE("dnc on few of the coordinates, several times, keeps those never filtered out") {
  Cohort cohort = RandomCohort(20, 3000);
  std::vector<size_t> honest;
  for (size_t i = 0; i < 20; ++i) {
    if (i % 5 == 2)
      cohort[i] = RandomRow(3000, 100 + i, 3, 0.1);
    else
      honest.push_back(i);
  }
  const Json spec = {
      {"name", "dnc"}, {"num_malicious", 4}, {"sub_dimension", 200}, {"iterations", 5}};
  CHECK(Difference(Delta(spec, cohort), MeanOf(cohort, honest)) < 1e-6);
  // Filtering half of them again and again still leaves those filtered least often.
  const Values few = Delta(
      {{"name", "dnc"}, {"num_malicious", 9}, {"sub_dimension", 2}, {"iterations", 50}}, cohort);
  CHECK(std::isfinite(few[0]));
}

/// The mean of the first of all subsets of n - f rows with the least diameter, by trying all.
Values ExhaustiveMda(const Cohort& cohort, size_t f) {
  const size_t n = cohort.size();
  std::vector<bool> chosen(n, false);
  std::fill(chosen.begin(), chosen.end() - static_cast<int64_t>(f), true);
  double least = std::numeric_limits<double>::infinity();
  std::vector<size_t> best;
  do {
    double diameter = 0;
    std::vector<size_t> rows;
    for (size_t i = 0; i < n; ++i) {
      if (chosen[i]) rows.push_back(i);
    }
    for (const size_t i : rows) {
      for (const size_t j : rows)
        diameter = std::max(diameter, std::hypot(static_cast<double>(cohort[i][0]) - cohort[j][0],
                                                 static_cast<double>(cohort[i][1]) - cohort[j][1]));
    }
    if (diameter < least) {
      least = diameter;
      best = rows;
    }
  } while (std::prev_permutation(chosen.begin(), chosen.end()));
  return MeanOf(cohort, best);
}

TEST_CASE("mda finds what trying every subset finds") {
  for (uint64_t stream = 0; stream < 60; ++stream) {
    const size_t n = 1 + stream % 11;
    const Cohort cohort = RandomCohort(static_cast<int64_t>(n), 2, stream);
    for (size_t f = 0; 2 * f < n; ++f) {
      CAPTURE(stream, n, f);
      const Json spec = {{"name", "mda"}, {"num_malicious", f}};
      REQUIRE(Difference(Delta(spec, cohort), ExhaustiveMda(cohort, f)) < 1e-6);
    }
  }
}

TEST_CASE("mda takes the first of several subsets of the same diameter") {
  CHECK(Delta({{"name", "mda"}, {"num_malicious", 1}}, Points({1, 2, 3})) == Values{1.5});
  CHECK(Delta({{"name", "mda"}, {"num_malicious", 2}}, Points({4, 0, 2, 1, 3})) == Values{3});
}

TEST_CASE("buffers go with the updates that a rule selects and don't count in its distances") {
  const Cohort cohort = {{0, 0, 9}, {1, 0, 9e9f}, {2, 0, 7}, {2.5, 0, 9}, {10, 0, 9}};
  Folding folding;
  folding.buffers = 1;
  CHECK(Fold({{"name", "krum"}, {"num_malicious", 1}}, cohort, folding).buffers == Values{7});
  const Folded folded = Fold("krum", cohort, folding);
  CHECK(folded.delta == Values{1, 0});
  CHECK(folded.buffers == Values{9e9f});
  CHECK(folded.squared_norm == 1);
  CHECK(Fold({{"name", "mda"}, {"num_malicious", 2}}, cohort, folding).buffers ==
        Values{static_cast<float>((9e9f + 16.0) / 3)});
  CHECK(Fold("median", cohort, folding).buffers == Values{9});
}

/// 23 updates of which the malicious ones, every fifth and thus 5, say something else.
Cohort Attacked(double mean, double deviation, int64_t columns = 200) {
  Cohort cohort;
  for (uint64_t i = 0; i < 23; ++i)
    cohort.push_back(i % 5 == 0 ? RandomRow(columns, i, mean, deviation) : RandomRow(columns, i));
  return cohort;
}

TEST_CASE("krum, multikrum, mda and dnc keep to honest updates, whatever the outliers are") {
  struct Attack {
    double mean, deviation;
  };
  for (const Attack& attack : {Attack{10, 0}, Attack{-3, 5}, Attack{1e12, 1e11}, Attack{0, 1e18}}) {
    const Cohort cohort = Attacked(attack.mean, attack.deviation);
    std::vector<size_t> honest;
    for (size_t i = 0; i < cohort.size(); ++i) {
      if (i % 5 != 0) honest.push_back(i);
    }
    CAPTURE(attack.mean, attack.deviation);
    const Values one = Delta({{"name", "krum"}, {"num_malicious", 5}}, cohort);
    const auto picked = std::find(cohort.begin(), cohort.end(), one);
    REQUIRE(picked != cohort.end());
    CHECK((picked - cohort.begin()) % 5 != 0);
    const Values expected = MeanOf(cohort, honest);
    for (const char* rule : {"multikrum", "mda", "dnc"}) {
      // Outliers in all directions at once are no direction for dnc.
      if (std::string(rule) == "dnc" && attack.deviation > std::abs(attack.mean)) continue;
      CAPTURE(rule);
      CHECK(Difference(Delta({{"name", rule}, {"num_malicious", 5}}, cohort), expected) < 1e-5);
    }
  }
}

TEST_CASE("every robust rule stays among the honest updates where the mean does not") {
  const Cohort cohort = Attacked(1e6, 1e5);
  CHECK(Delta("mean", cohort)[0] > 1e5);
  Folding folding;
  folding.root_delta = RandomRow(200, 500);
  for (const Json& spec : std::vector<Json>{
           "median",
           {{"name", "trimmed_mean"}, {"beta", 0.25}},
           {{"name", "krum"}, {"num_malicious", 5}},
           {{"name", "multikrum"}, {"num_malicious", 5}},
           {{"name", "bulyan"}, {"num_malicious", 5}},
           {{"name", "bulyan"}, {"num_malicious", 5}, {"selection", "multikrum"}},
           "geometric_median",
           {{"name", "geometric_median"}, {"weighting", "examples"}},
           {{"name", "centered_clipping"}, {"radius", 10}, {"iterations", 3}},
           {{"name", "meamed"}, {"num_malicious", 5}},
           {{"name", "mda"}, {"num_malicious", 5}},
           {{"name", "dnc"}, {"num_malicious", 5}},
           "fltrust",
       }) {
    CAPTURE(spec.dump());
    // Of normal values none lies outside; clipping moves by at most 10 / sqrt(200) a step.
    CHECK(Difference(Delta(spec, cohort, folding), Values(200, 0)) < 4.5);
  }
}

}  // namespace
}  // namespace flsim
