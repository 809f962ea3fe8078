#include "engine/sweep/sweep.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>

#include "engine/core/error.h"
#include "engine/sweep/leaderboard.h"
#include "tests/experiment/run_json.h"

namespace flsim {
namespace {

/// A sweep over a small regression, written to `file`.
Sweep Written(const std::string& file, const Json& axes) {
  Json json = axes;
  json["base"] = With(SmallRegression(), {{"output.checkpoint_every_s", 0}});
  WriteFileAtomically(file, json.dump());
  return ReadSweep(file, {});
}

Json TwoByTwo() {
  return {{"grid", {{"strategy", {"fedavg", "fedprox"}}, {"training.lr", {0.01, 0.02}}}},
          {"repeat", 2}};
}

/// Counts what it hears and asks for a stop after so many rounds of all trials.
class Counter : public SweepObserver {
 public:
  explicit Counter(std::atomic<bool>* stop = nullptr, int64_t stop_after = 0)
      : stop_(stop), stop_after_(stop_after) {}
  void Started(const Trial& trial, int64_t until) override { started.insert(trial.number); }
  void Round(const Trial&, const RoundRecord&) override {
    if (stop_ != nullptr && ++rounds == stop_after_) *stop_ = true;
  }
  void Ended(const Trial& trial, const TrialState& state) override {
    ended[trial.number] = state.status;
  }
  std::set<int64_t> started;
  std::map<int64_t, std::string> ended;
  int64_t rounds = 0;

 private:
  std::atomic<bool>* stop_;
  int64_t stop_after_;
};

void RunAll(const Sweep& sweep, const std::string& path, int parallel, const Shard& shard = {}) {
  SweepFolder folder(path, sweep, false);
  folder.Begin(shard);
  LoadedData data;
  Counter counter;
  const std::atomic<bool> stop{false};
  RunSweep(sweep, folder, shard, {parallel, 1, 0, 0}, data, counter, stop);
}

/// Each trial's model hash and records.
std::map<std::string, std::pair<Json, std::vector<Json>>> Results(const Sweep& sweep,
                                                                  const std::string& path) {
  std::map<std::string, std::pair<Json, std::vector<Json>>> results;
  for (const Trial& trial : sweep.trials) {
    const std::string folder = path + "/" + trial.Folder();
    results[trial.Folder()] = {ReadJsonFile(folder + "/summary.json").at("model_sha256"),
                               RoundsWithoutTimes(folder)};
  }
  return results;
}

TEST_CASE("a trial is the run that its config alone makes, however many run side by side") {
  const TempFolder folder;
  const Sweep sweep = Written(folder / "s.json", TwoByTwo());
  RunAll(sweep, folder / "one", 1);
  RunAll(sweep, folder / "three", 3);
  CHECK(Results(sweep, folder / "one") == Results(sweep, folder / "three"));
  for (const Trial& trial : sweep.trials) {
    RunIn(folder / trial.Folder(), trial.config);
    CHECK(RoundsWithoutTimes(folder / trial.Folder()) ==
          RoundsWithoutTimes(folder / ("one/" + trial.Folder())));
  }
}

TEST_CASE("an interrupted sweep keeps what is done and goes on to the same results") {
  const TempFolder folder;
  const Sweep sweep = Written(folder / "s.json", TwoByTwo());
  RunAll(sweep, folder / "whole", 2);
  for (const int64_t after : {2, 9, 17, 30}) {
    const std::string path = folder / ("stopped-" + std::to_string(after));
    std::set<int64_t> done;
    {
      SweepFolder part(path, sweep, false);
      part.Begin({});
      LoadedData data;
      std::atomic<bool> stop{false};
      Counter counter(&stop, after);
      CHECK_THROWS_AS(RunSweep(sweep, part, {}, {2, 1, 0, 0}, data, counter, stop),
                      InterruptedError);
      for (const Trial& trial : sweep.trials) {
        if (part.State(trial).done()) done.insert(trial.number);
      }
    }
    SweepFolder rest(path, sweep, false);
    rest.Begin({});
    LoadedData data;
    Counter counter;
    const std::atomic<bool> stop{false};
    RunSweep(sweep, rest, {}, {2, 1, 0, 0}, data, counter, stop);
    for (const int64_t number : done) CHECK(counter.started.count(number) == 0);
    CHECK(counter.started.size() + done.size() == sweep.trials.size());
    CHECK(Results(sweep, path) == Results(sweep, folder / "whole"));
  }
}

TEST_CASE("a killed trial goes on from its checkpoint") {
  const TempFolder folder;
  const Sweep sweep = Written(folder / "s.json", {{"repeat", 2}});
  RunAll(sweep, folder / "whole", 1);
  RunAll(sweep, folder / "killed", 1);
  // What a kill after the second of three rounds leaves: no summary, and a checkpoint behind it.
  const std::string trial = folder / "killed/trial-0001";
  std::filesystem::remove_all(trial);
  Json config = sweep.trials[0].config;
  {
    Experiment experiment(With(config, {{"runtime.workers", 1}}), "trial");
    RunFolder run(trial, ExistingRun::kResume, experiment.resolved());
    experiment.Load();
    const std::atomic<bool> stop{false};
    Run(experiment, run, {}, stop, 2);
  }
  std::filesystem::remove(trial + "/summary.json");
  SweepFolder state(folder / "killed", sweep, false);
  CHECK(state.State(sweep.trials[0]).status == "unfinished");
  RunAll(sweep, folder / "killed", 1);
  CHECK(Results(sweep, folder / "killed") == Results(sweep, folder / "whole"));
}

TEST_CASE("shards that share a folder make the sweep together") {
  const TempFolder folder;
  const Sweep sweep = Written(folder / "s.json", TwoByTwo());
  RunAll(sweep, folder / "whole", 2);
  for (int64_t i = 1; i <= 3; ++i) {
    RunAll(sweep, folder / "shards", 1, {i, 3});
    SweepFolder state(folder / "shards", sweep, false);
    for (const Trial& trial : sweep.trials)
      CHECK(state.State(trial).done() == ((trial.number - 1) % 3 < i));
  }
  CHECK(Results(sweep, folder / "shards") == Results(sweep, folder / "whole"));
  const SweepFolder shards(folder / "shards", sweep, false), whole(folder / "whole", sweep, false);
  CHECK(LeaderboardCsv(Rankings(sweep, shards, 3), "test_loss") ==
        LeaderboardCsv(Rankings(sweep, whole, 3), "test_loss"));
  CHECK(ParseShard("3/16").index == 3);
  for (const char* text : {"0/3", "4/3", "1", "1/3x", "a/b"}) {
    CHECK(ErrorOf<ConfigError>([&] { ParseShard(text); }) ==
          std::string("--shard: expected I/N with 1 <= I <= N, such as 3/16, got ") + text);
  }
}

TEST_CASE("a trial that fails or diverges is recorded with its reason, and the others go on") {
  const TempFolder folder;
  const Sweep sweep = Written(
      folder / "s.json",
      {{"grid",
        {{"training.lr", {0.01, 1e20}}, {"model.init", {"", folder / "absent.safetensors"}}}}});
  // An empty path is no file.
  Sweep changed = sweep;
  for (Trial& trial : changed.trials) {
    if (trial.config.at("model").at("init") == "") trial.config.erase("model");
  }
  RunAll(changed, folder / "out", 2);
  const SweepFolder state(folder / "out", changed, false);
  std::vector<std::string> statuses;
  for (const Trial& trial : changed.trials) statuses.push_back(state.State(trial).status);
  CHECK(statuses == std::vector<std::string>{"completed", "failed", "diverged", "failed"});
  CHECK(state.State(changed.trials[1]).reason.find("absent.safetensors") != std::string::npos);
  CHECK(state.State(changed.trials[2]).reason.find("round 1, client") != std::string::npos);
  state.WriteTrials();
  const std::string csv = ReadFile(folder / "out/trials.csv");
  CHECK(csv.find("trial,point,training.lr,model.init,seed,status,reason,rounds,") == 0);
  CHECK(std::count(csv.begin(), csv.end(), '\n') == 5);
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

TEST_CASE("another sweep's folder is refused, and replaced where that is asked for") {
  const TempFolder folder;
  const Sweep sweep = Written(folder / "s.json", {{"grid", {{"rounds", {1, 2}}}}});
  RunAll(sweep, folder / "out", 1);
  const Sweep other = Written(folder / "s.json", {{"grid", {{"rounds", {1}}}}});
  CHECK(ErrorOf<ConfigError>([&] { SweepFolder(folder / "out", other, false); }) ==
        (folder / "out") +
            " holds another sweep; add --force to replace it, or choose another folder with --out\n"
            "  grid.rounds: was [1,2], is [1]");
  {
    SweepFolder replaced(folder / "out", other, true);
    replaced.Begin({});
    CHECK(!std::filesystem::exists(folder / "out/trial-0002"));
    CHECK(ErrorOf<ConfigError>([&] {
            SweepFolder second(folder / "out", other, false);
            second.Begin({});
          }) == (folder / "out") + " is in use by another flsim process");
  }
  RunIn(folder / "run", SmallRegression());
  CHECK(ErrorOf<ConfigError>([&] { SweepFolder(folder / "run", other, false); }) ==
        (folder / "run") + " holds a run; choose another folder with --out");
}

TEST_CASE("trials whose configs have problems are told before any is run") {
  const TempFolder folder;
  const Sweep sweep = Written(folder / "s.json", {{"grid", {{"training.lr", {0.1, -1}}}}});
  CHECK(ErrorOf<ConfigError>([&] { CheckTrials(sweep); }) ==
        (folder / "s.json") +
            ": 1 of 2 trials can't be run\n"
            "trial-0002 (training.lr=-1, seed=1) has 1 problem\n"
            "  training.lr: must be greater than 0, got -1");
  const Sweep halved = Written(
      folder / "s.json", {{"grid", {{"evaluation.every", {5}}}}, {"halving", {{"min_rounds", 2}}}});
  CHECK(ErrorOf<ConfigError>([&] { CheckTrials(halved); }) ==
        (folder / "s.json") +
            ": halving.min_rounds must be at least evaluation.every (5, and that not 0), got 2");
}

TEST_CASE("the cost of a trial grows with its rounds and counts what is left to run") {
  const TempFolder folder;
  const Sweep sweep = Written(folder / "s.json", {{"grid", {{"rounds", {10, 1000}}}}});
  LoadedData data;
  const std::atomic<bool> stop{false};
  const auto costs = MeasureTrials({&sweep.trials[0], &sweep.trials[1]}, data, stop);
  REQUIRE(costs.size() == 2);
  CHECK(costs[0].rounds_s > 0);
  CHECK(costs[1].rounds_s == Approx(100 * costs[0].rounds_s));
}

}  // namespace
}  // namespace flsim
