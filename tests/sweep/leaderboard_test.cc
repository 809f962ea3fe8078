#include "engine/sweep/leaderboard.h"

#include <catch2/catch.hpp>
#include <set>

#include "engine/core/files.h"
#include "tests/analysis/run_folders.h"

namespace flsim {
namespace {

const char* const kDiverged = "diverged";
const char* const kInterrupted = "interrupted";
const char* const kKilled = "";

/// A run with these test accuracies from round 0 on.
MadeRun Accuracies(const std::vector<double>& accuracy, const std::string& status = "completed") {
  return {"fedavg", 1, accuracy, status};
}

/// The labels of a sweep's points from the best on, whose trials have these runs, two for each
/// point; one without rounds has not begun.
std::vector<std::string> Order(const std::vector<std::pair<std::string, std::vector<MadeRun>>>& of,
                               const Json& further = Json::object()) {
  const TempFolder folder;
  Json json = further;
  json["base"] = {{"dataset", "synthetic_regression"}};
  json["repeat"] = 2;
  for (const auto& [name, runs] : of) json["grid"]["model"].push_back(name);
  WriteFileAtomically(folder / "s.json", json.dump());
  const Sweep sweep = ReadSweep(folder / "s.json", {});
  REQUIRE(sweep.trials.size() == 2 * of.size());
  for (const Trial& trial : sweep.trials) {
    const MadeRun& run = of[static_cast<size_t>(trial.number - 1) / 2].second.at(
        static_cast<size_t>(trial.number - 1) % 2);
    if (!run.accuracy.empty()) WriteRun(folder, "out/" + trial.Folder(), run);
  }
  const SweepFolder out(folder / "out", sweep, false);
  std::vector<std::string> labels;
  for (const Rank& rank : Rankings(sweep, out, INT64_MAX)) {
    REQUIRE(rank.label.rfind("model=", 0) == 0);
    labels.push_back(rank.label.substr(6));
  }
  return labels;
}

using Names = std::vector<std::string>;

TEST_CASE("complete points are ranked by the mean of their last round, however few it took them") {
  CHECK(Order({{"peaked early", {Accuracies({0.1, 0.9, 0.50}), Accuracies({0.1, 0.9, 0.50})}},
               {"good", {Accuracies({0.1, 0.3, 0.60}), Accuracies({0.1, 0.3, 0.50})}},
               {"stopped at its target", {Accuracies({0.1, 0.70}), Accuracies({0.1, 0.65})}},
               {"one good seed", {Accuracies({0.1, 0.3, 0.99}), Accuracies({0.1, 0.3, 0.05})}}}) ==
        Names{"stopped at its target", "good", "one good seed", "peaked early"});
}

TEST_CASE("points that are not complete follow, the further the better, then the better") {
  CHECK(
      Order({{"killed", {Accuracies({0.1, 0.99}, kKilled), Accuracies({0.1, 0.99}, kKilled)}},
             {"one far", {Accuracies({0.1, 0.3, 0.4, 0.5}), Accuracies({0.1, 0.2}, kInterrupted)}},
             {"complete", {Accuracies({0.1, 0.2}), Accuracies({0.1, 0.2})}},
             {"further",
              {Accuracies({0.1, 0.2, 0.2}, kInterrupted), Accuracies({0.1, 0.2, 0.2}, kKilled)}},
             {"one stopped",
              {Accuracies({0.1, 0.2}), Accuracies({0.1, 0.1, 0.1, 0.1}, kInterrupted)}},
             {"begun", {Accuracies({0.999}, kKilled), Accuracies({0.999}, kKilled)}}}) ==
      Names{"complete", "one stopped", "further", "killed", "one far", "begun"});
}

TEST_CASE("points with a seed that has no value come late, and those without any last") {
  Names order =
      Order({{"half diverged", {Accuracies({0.1, 0.99}), Accuracies({0.1, 0.99}, kDiverged)}},
             {"diverged", {Accuracies({0.1, 0.99}, kDiverged), Accuracies({0.1, 0.99}, kDiverged)}},
             {"half waiting", {Accuracies({0.1, 0.98}), Accuracies({})}},
             {"waiting", {Accuracies({}), Accuracies({})}},
             {"begun", {Accuracies({0.1}, kKilled), Accuracies({0.1}, kKilled)}},
             {"complete", {Accuracies({0.1, 0.2}), Accuracies({0.1, 0.2})}}});
  REQUIRE(order.size() == 6);
  CHECK(Names(order.begin(), order.begin() + 2) == Names{"complete", "begun"});
  CHECK(std::set<std::string>(order.begin() + 2, order.begin() + 4) ==
        std::set<std::string>{"half diverged", "half waiting"});
  CHECK(std::set<std::string>(order.begin() + 4, order.end()) ==
        std::set<std::string>{"diverged", "waiting"});
}

TEST_CASE("points are ranked by the metric of the halving, a loss from below") {
  // The training loss of a made run is 1 after a round, 1/2 after two.
  const std::vector<std::pair<std::string, std::vector<MadeRun>>> points = {
      {"short", {Accuracies({0.1, 0.9}), Accuracies({0.1, 0.9})}},
      {"long", {Accuracies({0.1, 0.2, 0.3}), Accuracies({0.1, 0.2, 0.3})}}};
  CHECK(Order(points) == Names{"short", "long"});
  CHECK(Order(points, {{"halving", {{"metric", "train_loss"}}}}) == Names{"long", "short"});
}

}  // namespace
}  // namespace flsim
