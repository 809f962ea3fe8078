#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "strategies/schedule.h"
#include "tests/strategies/component.h"

namespace flsim {
namespace {

/// The factors of rounds 1 .. expected.size() are these.
void CheckFactors(const Json& options, const std::vector<double>& expected,
                  const Schedule::Context& context = {}) {
  const auto schedule = BuildComponent<Schedule>(options, context);
  for (size_t i = 0; i < expected.size(); ++i) {
    INFO(options.dump() << " round " << i + 1);
    CHECK(schedule->Factor(static_cast<int64_t>(i) + 1) == Approx(expected[i]).epsilon(1e-14));
  }
}

TEST_CASE("schedules have the factors that one computes by hand") {
  CheckFactors("constant", {1, 1, 1, 1});
  CheckFactors({{"name", "step"}, {"every", 3}, {"factor", 0.1}},
               {1, 1, 1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.001});
  CheckFactors({{"name", "exponential"}, {"factor", 0.5}}, {1, 0.5, 0.25, 0.125, 0.0625});
  // Half way between 1 and 0.2 is 0.6; cos(pi / 4) = sqrt(1 / 2).
  const double quarter = 0.4 * std::sqrt(0.5);
  CheckFactors({{"name", "cosine"}, {"rounds", 4}, {"final", 0.2}},
               {1, 0.6 + quarter, 0.6, 0.6 - quarter, 0.2, 0.2, 0.2});
}

TEST_CASE("a warm-up of W rounds rises as r / (W + 1), then the schedule begins") {
  CheckFactors({{"name", "constant"}, {"warmup_rounds", 4}}, {0.2, 0.4, 0.6, 0.8, 1, 1});
  CheckFactors({{"name", "step"}, {"every", 2}, {"factor", 0.5}, {"warmup_rounds", 1}},
               {0.5, 1, 1, 0.5, 0.5, 0.25});
  CheckFactors({{"name", "exponential"}, {"factor", 0.5}, {"warmup_rounds", 3}},
               {0.25, 0.5, 0.75, 1, 0.5, 0.25});
  // `rounds` counts the warm-up: rounds 3 to 4 are the cosine's two.
  CheckFactors({{"name", "cosine"}, {"rounds", 4}, {"final", 0.5}, {"warmup_rounds", 2}},
               {1.0 / 3, 2.0 / 3, 1, 0.75, 0.5, 0.5});
}

TEST_CASE("a cosine without rounds spans the experiment's") {
  CheckFactors({{"name", "cosine"}, {"final", 0.5}}, {1, 0.75, 0.5, 0.5}, {2});
  // Given ones win.
  CheckFactors({{"name", "cosine"}, {"rounds", 2}, {"final", 0.5}}, {1, 0.75, 0.5, 0.5}, {100});
}

TEST_CASE("step with a step every round is exponential") {
  const auto step = BuildComponent<Schedule>({{"name", "step"}, {"every", 1}, {"factor", 0.7}});
  const auto exponential = BuildComponent<Schedule>({{"name", "exponential"}, {"factor", 0.7}});
  for (const int64_t round : {1, 2, 3, 10, 1000})
    CHECK(step->Factor(round) == exponential->Factor(round));
}

TEST_CASE("no schedule reaches 0 or leaves (0, 1], however long the experiment") {
  for (const std::string& name : Kinds().at("schedule").names()) {
    for (const int warmup : {0, 7}) {
      const auto schedule =
          BuildComponent<Schedule>({{"name", name}, {"warmup_rounds", warmup}}, {1000});
      INFO(name << " after " << warmup);
      CHECK(schedule->Factor(warmup + 1) == 1);
      double last = 1;
      for (const int64_t round : {10L, 500L, 1000L, 1001L, 100000L, 4294967295L}) {
        const double factor = schedule->Factor(round);
        CHECK(factor > 0);
        CHECK(factor <= last);
        last = factor;
      }
    }
  }
}

TEST_CASE("options of schedules that make no sense are refused") {
  CHECK(WhyRefused<Schedule>({{"name", "cosine"}, {"rounds", 5}, {"warmup_rounds", 5}}) ==
        "test.json has 1 problem\n  schedule.warmup_rounds: must be less than the rounds of the "
        "cosine "
        "(5; by default the experiment's), got 5");
  CHECK(WhyRefused<Schedule>({{"name", "step"}, {"every", 0}}) ==
        "test.json has 1 problem\n  schedule.every: must be at least 1, got 0");
  CHECK(WhyRefused<Schedule>({{"name", "exponential"}, {"factor", 1.5}}) ==
        "test.json has 1 problem\n  schedule.factor: must be at most 1, got 1.5");
  CHECK(WhyRefused<Schedule>({{"name", "cosine"}, {"final", 0}}) ==
        "test.json has 1 problem\n  schedule.final: must be greater than 0, got 0");
}

}  // namespace
}  // namespace flsim
