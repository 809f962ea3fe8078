#include "engine/sweep/plan.h"

#include <catch2/catch.hpp>

namespace flsim {
namespace {

std::vector<TrialCost> Costs(size_t trials, double seconds, int64_t bytes = 0) {
  return std::vector<TrialCost>(trials, {0, seconds, bytes});
}

TEST_CASE("many trials run side by side, one worker each") {
  const SweepPlan plan = PlanSweep(Costs(40, 10), 4, INT64_MAX, 0);
  CHECK(plan.parallel == 4);
  CHECK(plan.workers == 1);
  CHECK(plan.seconds == Approx(100));
}

TEST_CASE("a lone trial has all cores, and few trials are spread so that the sweep ends soonest") {
  CHECK(PlanSweep(Costs(1, 10), 4, INT64_MAX, 0).workers == 4);
  // Three on two cores: one after another on both beats two side by side and one on half of them.
  CHECK(PlanSweep(Costs(3, 10), 2, INT64_MAX, 0).parallel == 1);
  CHECK(PlanSweep(Costs(4, 10), 2, INT64_MAX, 0).parallel == 2);
}

TEST_CASE("trials that do not fit into memory side by side run one after another") {
  CHECK(PlanSweep(Costs(40, 10, 1000), 4, 1500, 0).parallel == 2);
  CHECK(PlanSweep(Costs(40, 10, 1000), 4, 10, 0).parallel == 1);
}

TEST_CASE("a number that is asked for is taken") {
  const SweepPlan plan = PlanSweep(Costs(40, 10, 1000), 4, 2500, 8);
  CHECK(plan.parallel == 8);
  CHECK(plan.workers == 1);
  CHECK(plan.seconds == Approx(100));  // 8 on 4 cores are not quicker than 4
}

TEST_CASE("workers that are asked for are taken, and cores are shared among them") {
  const SweepPlan plan = PlanSweep(Costs(40, 10), 4, INT64_MAX, 1, 1);
  CHECK(plan.workers == 1);
  CHECK(plan.seconds == Approx(400));
  CHECK(PlanSweep(Costs(40, 10), 4, INT64_MAX, 0, 2).parallel == 2);
}

}  // namespace
}  // namespace flsim
