#include "engine/analysis/curves.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "engine/core/error.h"
#include "tests/analysis/run_folders.h"

namespace flsim {
namespace {

using Values = std::vector<double>;

RunGroup Group(const std::vector<RecordedRun>& runs) {
  RunGroup group;
  for (const RecordedRun& run : runs) group.runs.push_back(&run);
  return group;
}

/// A run whose metric "m" at round i is values[i]; NaN: not taken.
RecordedRun Made(const Values& values) {
  RecordedRun run;
  for (size_t i = 0; i < values.size(); ++i) {
    run.rounds.push_back({{"round", i}});
    if (!std::isnan(values[i])) run.rounds.back()["m"] = values[i];
  }
  return run;
}

TEST_CASE("a curve is the mean and spread over the runs that have the metric in a round") {
  const double none = std::nan("");
  const std::vector<RecordedRun> runs = {Made({1, none, 3, 7}), Made({2, none, 5})};
  const GroupCurve curve = CurveOf(Group(runs), "m", 1000);
  CHECK(curve.rounds == std::vector<int64_t>{0, 2, 3});
  CHECK(curve.runs == std::vector<int>{2, 2, 1});
  CHECK(curve.mean == Values{1.5, 4, 7});
  CHECK(curve.std == Values{std::sqrt(0.5), std::sqrt(2.0), 0});
  CHECK(curve.min == Values{1, 3, 7});
  CHECK(curve.max == Values{2, 5, 7});
  REQUIRE(curve.each.size() == 2);
  CHECK(curve.each[0] == Values{1, 3, 7});
  CHECK(std::isnan(curve.each[1][2]));
}

TEST_CASE("a thinned curve keeps each run's first, best and last point, and their exact values") {
  Values first(5000, 1), second(4000, 1);
  first[1234] = 0.125;   // the best of a loss
  second[777] = 0.0625;  // and of the other run
  first.back() = 0.3;
  second.back() = 0.7;
  const std::vector<RecordedRun> runs = {Made(first), Made(second)};
  const GroupCurve curve = CurveOf(Group(runs), "m", 100);
  CHECK(curve.thinned_from == 5000);
  CHECK(curve.rounds.size() <= 100);
  CHECK(curve.rounds.size() > 90);
  const auto at = [&](int64_t round) {
    const auto found = std::find(curve.rounds.begin(), curve.rounds.end(), round);
    REQUIRE(found != curve.rounds.end());
    return static_cast<size_t>(found - curve.rounds.begin());
  };
  CHECK(curve.rounds.front() == 0);
  CHECK(curve.each[0][at(1234)] == 0.125);
  CHECK(curve.each[1][at(777)] == 0.0625);
  CHECK(curve.each[1][at(3999)] == 0.7);
  CHECK(curve.each[0][at(4999)] == 0.3);
}

TEST_CASE("spending adds up rounds without evaluation and bytes of both ways") {
  const TempFolder folder;
  const std::vector<RecordedRun> runs = ThreeRuns(folder);
  const Spending spending = SpendingAt(Group(runs), {0, 2});
  CHECK(spending.seconds == Values{0, 4});
  CHECK(spending.bytes == Values{0, 80});
}

TEST_CASE("a metric that no run has is refused with those that there are") {
  const TempFolder folder;
  const std::vector<RecordedRun> runs = ThreeRuns(folder);
  CHECK(ChosenMetric(runs, "") == "test_accuracy");
  CHECK(ChosenMetric(runs, "train_loss") == "train_loss");
  CHECK(ErrorOf<ConfigError>([&] { ChosenMetric(runs, "accuracy"); }) ==
        "--metric accuracy: no run has recorded it; recorded are test_accuracy, train_loss, "
        "bytes_up, bytes_down, wall_s");
}

TEST_CASE("metrics are called by their names in words") {
  CHECK(MetricLabel("test_accuracy") == "test accuracy");
  CHECK(MetricLabel("client_accuracy.worst_tenth") == "client accuracy, worst tenth");
  CHECK(MetricLabel("wall_s") == "wall (s)");
}

}  // namespace
}  // namespace flsim
