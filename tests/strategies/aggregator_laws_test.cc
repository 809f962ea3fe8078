// What holds for every aggregator and pre-aggregation, or ties one to another.
#include <catch2/catch.hpp>
#include <cmath>
#include <set>

#include "tests/strategies/aggregator_cohort.h"

namespace flsim {
namespace {

/// Every rule, with settings that suit a cohort of 11.
std::vector<Json> Rules() {
  return {"mean",
          {{"name", "mean"}, {"weighting", "uniform"}},
          "median",
          {{"name", "trimmed_mean"}, {"beta", 0.2}},
          {{"name", "krum"}, {"num_malicious", 2}},
          {{"name", "multikrum"}, {"num_malicious", 2}, {"num_selected", 5}},
          {{"name", "bulyan"}, {"num_malicious", 2}},
          {{"name", "bulyan"}, {"num_malicious", 1}, {"selection", "multikrum"}},
          {{"name", "geometric_median"}, {"iterations", 20}},
          {{"name", "geometric_median"}, {"weighting", "examples"}, {"iterations", 20}},
          {{"name", "centered_clipping"}, {"iterations", 3}, {"radius", 9}},
          {{"name", "meamed"}, {"num_malicious", 2}},
          {{"name", "mda"}, {"num_malicious", 2}},
          {{"name", "dnc"}, {"num_malicious", 2}, {"iterations", 2}, {"sub_dimension", 40}},
          {{"name", "fltrust"}, {"root_examples", 5}}};
}

std::string Name(const Json& spec) {
  return spec.is_string() ? spec.get<std::string>() : spec["name"].get<std::string>();
}

TEST_CASE("every aggregator is among the rules tested here") {
  std::set<std::string> tested;
  for (const Json& spec : Rules()) tested.insert(Name(spec));
  for (const std::string& name : Registry<Aggregator>::Get().Names()) {
    CAPTURE(name);
    CHECK(tested.count(name) == 1);
  }
}

/// Eleven updates of which two are outliers, with weights and a root update.
struct Recorded {
  Recorded() {
    folding.buffers = 2;
    folding.root_delta = RandomRow(50, 99);
    for (uint64_t i = 0; i < 11; ++i) {
      cohort.push_back(i == 3 || i == 8 ? RandomRow(52, i, 8, 2) : RandomRow(52, i));
      folding.weights.push_back(static_cast<double>(1 + i % 4));
    }
  }
  Cohort cohort;
  Folding folding;
};

TEST_CASE("the aggregate does not depend on the order of the cohort") {
  Recorded recorded;
  for (const Json& spec : Rules()) {
    CAPTURE(spec.dump());
    const Folded expected = Fold(spec, recorded.cohort, recorded.folding);
    Recorded shuffled;
    for (size_t i = 0; i < 11; ++i) {
      shuffled.cohort[i] = recorded.cohort[(7 * i + 4) % 11];
      shuffled.folding.weights[i] = recorded.folding.weights[(7 * i + 4) % 11];
    }
    const Folded folded = Fold(spec, shuffled.cohort, shuffled.folding);
    CHECK(Difference(folded.delta, expected.delta) < 2e-6);
    CHECK(Difference(folded.buffers, expected.buffers) < 2e-6);
  }
}

TEST_CASE("what moves every update moves the aggregate, but for rules that know where 0 is") {
  Recorded recorded;
  Recorded moved;
  for (Values& row : moved.cohort) {
    for (float& value : row) value += 16;
  }
  for (const Json& spec : Rules()) {
    if (Name(spec) == "fltrust" || Name(spec) == "centered_clipping") continue;
    CAPTURE(spec.dump());
    Values expected = Fold(spec, recorded.cohort, recorded.folding).delta;
    for (float& value : expected) value += 16;
    CHECK(Difference(Fold(spec, moved.cohort, moved.folding).delta, expected) < 1e-5);
  }
}

TEST_CASE(
    "what scales every update scales the aggregate, but for rules with a length of their own") {
  Recorded recorded;
  Recorded scaled;
  for (Values& row : scaled.cohort) {
    for (float& value : row) value *= 32;
  }
  for (float& value : scaled.folding.root_delta) value *= 32;
  for (const Json& spec : Rules()) {
    if (Name(spec) == "centered_clipping") continue;
    CAPTURE(spec.dump());
    Values expected = Fold(spec, recorded.cohort, recorded.folding).delta;
    for (float& value : expected) value *= 32;
    CHECK(Difference(Fold(spec, scaled.cohort, scaled.folding).delta, expected) < 32 * 2e-6);
  }
}

TEST_CASE("when all say the same the aggregate says it too") {
  Recorded recorded;
  const Values row = RandomRow(52, 7);
  for (Values& each : recorded.cohort) each = row;
  recorded.folding.root_delta = Values(row.begin(), row.begin() + 50);
  for (const Json& spec : Rules()) {
    CAPTURE(spec.dump());
    const Folded folded = Fold(spec, recorded.cohort, recorded.folding);
    CHECK(Difference(folded.delta, Values(row.begin(), row.begin() + 50)) < 1e-6);
    CHECK(Difference(folded.buffers, Values(row.begin() + 50, row.end())) < 1e-6);
  }
}

TEST_CASE("the squared norm is that of the aggregate") {
  Recorded recorded;
  for (const Json& spec : Rules()) {
    const Folded folded = Fold(spec, recorded.cohort, recorded.folding);
    double sum = 0;
    for (const float value : folded.delta) sum += static_cast<double>(value) * value;
    CHECK(std::abs(folded.squared_norm - sum) <= 1e-12 * sum);
  }
}

TEST_CASE("every aggregate has the same bits for any number of threads") {
  const Cohort cohort = RandomCohort(11, 40007);
  for (const Json& spec : Rules()) {
    CAPTURE(spec.dump());
    Folding folding;
    folding.buffers = 7;
    folding.root_delta = RandomRow(40000, 99);
    // Weights by examples can't be combined with pre-aggregations.
    if (!spec.contains("weighting") && spec != "mean") {
      folding.pre_aggregations = {{{"name", "nnm"}, {"num_malicious", 1}},
                                  {{"name", "bucketing"}, {"bucket_size", 1}}};
    }
    const Folded expected = Fold(spec, cohort, folding);
    for (const int threads : {2, 5}) {
      folding.parallel = Threads(threads);
      const Folded folded = Fold(spec, cohort, folding);
      CHECK(folded.delta == expected.delta);
      CHECK(folded.buffers == expected.buffers);
    }
  }
}

TEST_CASE("rules that fear nobody are the uniform mean") {
  const Cohort cohort = RandomCohort(9, 60);
  const Values mean = MeanOf(cohort);
  for (const Json& spec : std::vector<Json>{
           {{"name", "trimmed_mean"}, {"beta", 0}},
           {{"name", "multikrum"}, {"num_selected", 9}},
           "multikrum",
           "bulyan",
           "meamed",
           "mda",
           "dnc",
           {{"name", "centered_clipping"}, {"radius", 1e9}},
           {{"name", "mean"}, {"weighting", "uniform"}},
       }) {
    CAPTURE(spec.dump());
    CHECK(Difference(Fold(spec, cohort).delta, mean) < 5e-7);
  }
}

TEST_CASE("the median is the trimmed mean that cuts as much as can be") {
  for (int64_t n = 1; n <= 12; ++n) {
    const Cohort cohort = RandomCohort(n, 100);
    const double cut = static_cast<double>((n - 1) / 2) + 0.25;
    const Json spec = {{"name", "trimmed_mean"}, {"beta", cut / static_cast<double>(n)}};
    CHECK(Fold(spec, cohort).delta == Fold("median", cohort).delta);
  }
}

TEST_CASE("multikrum that selects one is krum") {
  const Cohort cohort = RandomCohort(9, 30);
  CHECK(Fold({{"name", "multikrum"}, {"num_malicious", 3}, {"num_selected", 1}}, cohort).delta ==
        Fold({{"name", "krum"}, {"num_malicious", 3}}, cohort).delta);
}

TEST_CASE("geometric_median has the least sum of distances of all rules") {
  Recorded recorded;
  const auto sum = [&](const Values& point) {
    double total = 0;
    for (const Values& row : recorded.cohort) {
      double squared = 0;
      for (size_t c = 0; c < 50; ++c)
        squared +=
            (static_cast<double>(row[c]) - point[c]) * (static_cast<double>(row[c]) - point[c]);
      total += std::sqrt(squared);
    }
    return total;
  };
  const double least = sum(Fold("geometric_median", recorded.cohort, recorded.folding).delta);
  for (const Json& spec : Rules()) {
    CAPTURE(spec.dump());
    CHECK(sum(Fold(spec, recorded.cohort, recorded.folding).delta) >= least * (1 - 1e-5));
  }
}

TEST_CASE("geometric_median stops when the sum of distances no longer falls") {
  Recorded recorded;
  Json spec = {{"name", "geometric_median"}, {"tolerance", 1e-9}};
  const Values stopped = Fold(spec, recorded.cohort).delta;
  spec["tolerance"] = 0;
  spec["iterations"] = 5000;
  CHECK(Difference(stopped, Fold(spec, recorded.cohort).delta) < 1e-3);
  spec = {{"name", "geometric_median"}, {"tolerance", 0.5}};
  const Values early = Fold(spec, recorded.cohort).delta;
  spec = {{"name", "geometric_median"}, {"tolerance", 0}, {"iterations", 1}};
  CHECK(early == Fold(spec, recorded.cohort).delta);
}

}  // namespace
}  // namespace flsim
