#include "engine/sweep/halving.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "engine/core/error.h"
#include "engine/sweep/leaderboard.h"
#include "tests/sweep/made_sweeps.h"

namespace flsim {
namespace {

using End = std::pair<std::string, size_t>;

/// Four learning rates of which the second is the best: all of them run for a round, two for two.
Json FourRates() {
  return {{"grid", {{"training.lr", {1e-5, 0.02, 1e-4, 0.005}}, {"rounds", {4}}}},
          {"halving", {{"metric", "test_loss"}, {"eta", 2}, {"min_rounds", 1}}}};
}

TEST_CASE("halving drops no point while a trial of its rung has failed") {
  const TempFolder folder;
  const Sweep sweep = Written(
      folder / "s.json", {{"grid", {{"training.lr", {1e-5, 0.02, 1e-4}}, {"rounds", {4}}}},
                          {"repeat", 2},
                          {"halving", {{"metric", "test_loss"}, {"eta", 3}, {"min_rounds", 1}}}});
  RunAll(sweep, folder / "whole", 1);
  const End dropped("dropped", 1), completed("completed", 4), paused("paused", 1);
  REQUIRE(Ends(sweep, folder / "whole") ==
          std::vector<End>{dropped, dropped, completed, completed, dropped, dropped});
  for (const int64_t failing : {1, 4}) {
    CAPTURE(failing);
    const std::string path = folder / ("failing-" + std::to_string(failing));
    const Trial& trial = sweep.trials[static_cast<size_t>(failing - 1)];
    const std::string blocked = path + "/" + trial.Folder() + "/checkpoint";
    std::filesystem::create_directories(path + "/" + trial.Folder());
    WriteFileAtomically(blocked, "not a folder");
    RunAll(sweep, path, 2);
    {
      const SweepFolder state(path, sweep, false);
      for (const Trial& other : sweep.trials) {
        if (other.number == failing) continue;
        CHECK(End(state.State(other).status,
                  RoundsWithoutTimes(state.TrialFolder(other)).size() - 1) == paused);
      }
      CHECK(state.State(trial).status == "failed");
      CHECK_THAT(state.State(trial).reason, Catch::Contains(blocked));
    }
    std::filesystem::remove(blocked);
    RunAll(sweep, path, 2);
    CHECK(Ends(sweep, path) == Ends(sweep, folder / "whole"));
    CHECK(Results(sweep, path) == Results(sweep, folder / "whole"));
  }
}

TEST_CASE("halving goes on with the better points, whatever the order in which trials end") {
  const TempFolder folder;
  const Json axes = {
      {"grid", {{"training.lr", {1e-5, 0.02, 1e-4, 0.005, 1e-3, 1e-6}}, {"rounds", {9}}}},
      {"repeat", 2},
      {"halving", {{"metric", "test_loss"}, {"eta", 3}, {"min_rounds", 1}}}};
  const Sweep sweep = Written(folder / "s.json", axes);
  RunAll(sweep, folder / "one", 1);
  RunAll(sweep, folder / "four", 4);
  for (const char* name : {"one", "four"}) {
    const SweepFolder state(folder / name, sweep, false);
    std::map<double, std::pair<std::string, size_t>> ends;  // status and rounds, by learning rate
    for (const Trial& trial : sweep.trials) {
      const std::string out = state.TrialFolder(trial);
      ends[trial.config.at("training").at("lr").get<double>()] = {
          state.State(trial).status, RoundsWithoutTimes(out).size() - 1};
    }
    // Six points after a round, two of them after three rounds, one to the end.
    CHECK(ends.at(0.02) == std::pair(std::string("completed"), size_t{9}));
    CHECK(ends.at(0.005) == std::pair(std::string("dropped"), size_t{3}));
    for (const double lr : {1e-3, 1e-4, 1e-5, 1e-6})
      CHECK(ends.at(lr) == std::pair(std::string("dropped"), size_t{1}));
  }
  const SweepFolder state(folder / "one", sweep, false);
  const auto ranks = Rankings(sweep, state, INT64_MAX);
  REQUIRE(ranks.size() == 6);
  CHECK(ranks[0].label == "training.lr=0.02, rounds=9");
  CHECK(ranks[0].seeds == 2);
  CHECK(ranks[1].rounds == 3);

  // The same as the run without halving.
  RunIn(folder / "alone", sweep.trials[2].config);
  CHECK(RoundsWithoutTimes(folder / "alone") ==
        RoundsWithoutTimes(state.TrialFolder(sweep.trials[2])));
}

TEST_CASE("what halving has decided stays, though its survivors have ended since") {
  const TempFolder folder;
  const Sweep sweep = Written(folder / "s.json", FourRates());
  const std::string path = folder / "out";
  RunAll(sweep, path, 1);
  const std::vector<End> ends = {{"dropped", 1}, {"completed", 4}, {"dropped", 1}, {"dropped", 2}};
  REQUIRE(Ends(sweep, path) == ends);
  const auto results = Results(sweep, path);
  for (int again = 0; again < 3; ++again) RunAll(sweep, path, 1);
  CHECK(Ends(sweep, path) == ends);
  CHECK(Results(sweep, path) == results);

  // Where that is lost, it is decided again, and alike.
  std::filesystem::remove(path + "/halving.json");
  RunAll(sweep, path, 1);
  CHECK(Ends(sweep, path) == ends);

  // Before the first drop is noted, as after a kill: the decision is the one that stands.
  std::filesystem::remove(path + "/trial-0001/trial.json");
  std::filesystem::remove(path + "/trial-0004/trial.json");
  RunAll(sweep, path, 1);
  CHECK(Ends(sweep, path) == ends);
}

/// Asks for a stop when a trial comes to its third round.
class StopAtThird : public SweepObserver {
 public:
  explicit StopAtThird(std::atomic<bool>& stop) : stop_(stop) {}
  void Round(const Trial&, const RoundRecord& record) override {
    if (record.round == 3) stop_ = true;
  }

 private:
  std::atomic<bool>& stop_;
};

TEST_CASE("a trial of halving that fails beyond the first rung is tried again") {
  const TempFolder folder;
  const Sweep sweep = Written(folder / "s.json", FourRates());
  RunAll(sweep, folder / "whole", 1);
  const std::string path = folder / "out";
  {
    SweepFolder out(path, sweep, false);
    out.Begin({});
    LoadedData data;
    std::atomic<bool> stop{false};
    StopAtThird observer(stop);
    CHECK_THROWS_AS(RunSweep(sweep, out, {}, {1, 1, 0, 0}, data, observer, stop), InterruptedError);
  }
  const std::string state = path + "/trial-0002/checkpoint/state.safetensors";
  const std::string good = ReadFile(state);
  WriteFileAtomically(state, "damaged");
  RunAll(sweep, path, 1);
  CHECK(SweepFolder(path, sweep, false).State(sweep.trials[1]).status == "failed");
  WriteFileAtomically(state, good);
  RunAll(sweep, path, 1);
  CHECK(Ends(sweep, path) == Ends(sweep, folder / "whole"));
  CHECK(Results(sweep, path) == Results(sweep, folder / "whole"));
}

TEST_CASE("halving of trials of different lengths, or shorter than its first rung, is refused") {
  const TempFolder folder;
  const auto problem = [&](const Json& rounds) {
    const Json axes = {{"grid", {{"rounds", rounds}}}, {"halving", {{"min_rounds", 4}}}};
    return ErrorOf<ConfigError>([&] { CheckTrials(Written(folder / "s.json", axes)); });
  };
  CHECK(problem(Json::array({5, 10})) ==
        (folder / "s.json") +
            ": halving: trials have different rounds (5 to 10); it decides itself how far each of "
            "them runs");
  CHECK_THAT(problem(Json::array({4})),
             Catch::EndsWith("halving.min_rounds: must be less than rounds (4), got 4"));
}

TEST_CASE("halving of trials that watch different metrics wants one to be named") {
  const TempFolder folder;
  Json axes = {{"grid", {{"strategy", {"ditto", "fedavg"}}}}, {"halving", {{"min_rounds", 1}}}};
  const auto problem = [&] {
    return ErrorOf<ConfigError>([&] { CheckTrials(Written(folder / "s.json", axes)); });
  };
  CHECK_THAT(problem(), Catch::Contains("halving.metric: trials watch different metrics "
                                        "(client_loss_mean, test_loss); name one"));
  axes["halving"]["metric"] = "train_loss";
  CHECK(CheckTrials(Written(folder / "s.json", axes)).empty());
  axes.erase("halving");
  CHECK(CheckTrials(Written(folder / "s.json", axes)).size() == 1);
}

}  // namespace
}  // namespace flsim
