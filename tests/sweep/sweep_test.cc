#include "engine/sweep/sweep.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>

#include "engine/core/error.h"
#include "engine/sweep/leaderboard.h"
#include "tests/sweep/made_sweeps.h"

namespace flsim {
namespace {

Json TwoByTwo() {
  return {{"grid", {{"strategy", {"fedavg", "fedprox"}}, {"training.lr", {0.01, 0.02}}}},
          {"repeat", 2}};
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

TEST_CASE("the last trials to begin have the cores of those that are through") {
  const TempFolder folder;
  const Sweep sweep = Written(folder / "s.json", {{"repeat", 6}});
  SweepFolder out(folder / "out", sweep, false);
  out.Begin({});
  LoadedData data;
  Counter counter;
  const std::atomic<bool> stop{false};
  SweepPlan plan;
  plan.parallel = 4;
  plan.cores = 4;
  RunSweep(sweep, out, {}, plan, data, counter, stop);
  std::vector<int> workers;
  for (const Trial& trial : sweep.trials) {
    const Json config = ReadJsonFile(out.TrialFolder(trial) + "/config.json");
    workers.push_back(config.at("runtime").at("workers").get<int>());
  }
  CHECK(workers == std::vector<int>{1, 1, 1, 1, 2, 2});
  RunAll(sweep, folder / "one", 1);
  CHECK(Results(sweep, folder / "out") == Results(sweep, folder / "one"));
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
  CHECK(csv.find("trial,point,training.lr,model.init,seed,status,reason,rounds_done,") == 0);
  CHECK(std::count(csv.begin(), csv.end(), '\n') == 5);
}

TEST_CASE("a trial whose failure can't be noted ends the sweep, those beside it run to their end") {
  const TempFolder folder;
  const Sweep sweep = Written(folder / "s.json", {{"repeat", 4}});
  RunAll(sweep, folder / "whole", 2);
  std::filesystem::create_directories(folder / "out");
  const std::string blocked = folder / "out/trial-0002";
  WriteFileAtomically(blocked, "not a folder");
  CHECK_THAT(ErrorOf<DataError>([&] { RunAll(sweep, folder / "out", 2); }),
             Catch::Contains(blocked));
  const SweepFolder state(folder / "out", sweep, false);
  CHECK(state.State(sweep.trials[0]).status == "completed");
  for (const Trial& trial : sweep.trials) {
    const std::string status = state.State(trial).status;
    CHECK((status == "completed" || status == "waiting"));
  }
  CHECK(ReadFile(blocked) == "not a folder");
  std::filesystem::remove(blocked);
  RunAll(sweep, folder / "out", 2);
  CHECK(Results(sweep, folder / "out") == Results(sweep, folder / "whole"));
}

TEST_CASE("a trial that another process runs ends the sweep and is not noted as failed") {
  const TempFolder folder;
  const Sweep sweep = Written(folder / "s.json", {{"repeat", 2}});
  const std::string taken = folder / "out/trial-0001";
  {
    Experiment experiment(With(sweep.trials[0].config, {{"runtime.workers", 1}}), "trial");
    RunFolder run(taken, ExistingRun::kResume, experiment.resolved());
    run.Lock();
    CHECK(ErrorOf<ConfigError>([&] { RunAll(sweep, folder / "out", 1); }) ==
          taken + " is in use by another flsim process");
    CHECK(!std::filesystem::exists(taken + "/trial.json"));
  }
  RunAll(sweep, folder / "out", 1);
  const SweepFolder state(folder / "out", sweep, false);
  for (const Trial& trial : sweep.trials) CHECK(state.State(trial).status == "completed");
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
  CHECK(ErrorOf<ConfigError>([&] {
          RunFolder(folder / "out", ExistingRun::kReplace, SmallRegression());
        }) == (folder / "out") + " holds a sweep; choose another folder with --out");
  RunIn(folder / "run", SmallRegression());
  CHECK(ErrorOf<ConfigError>([&] { SweepFolder(folder / "run", other, false); }) ==
        (folder / "run") + " holds a run; choose another folder with --out");
}

TEST_CASE("a sweep and a shard of it, or one shard twice, can't run at once; two shards can") {
  const TempFolder folder;
  const Sweep sweep = Written(folder / "s.json", {{"repeat", 2}});
  const std::string path = folder / "out";
  RunAll(sweep, path, 1);
  const auto refused = [&](const Shard& shard, bool force = false) {
    SweepFolder second(path, sweep, force);
    return ErrorOf<ConfigError>([&] { second.Begin(shard); }) ==
           path + " is in use by another flsim process";
  };
  {
    SweepFolder whole(path, sweep, false);
    whole.Begin({});
    CHECK(refused({}));
    CHECK(refused({1, 2}));
  }
  {
    SweepFolder shard(path, sweep, false);
    shard.Begin({1, 2});
    CHECK(refused({}));
    CHECK(refused({}, /*force=*/true));
    CHECK(refused({1, 2}));
    CHECK(!refused({2, 2}));
  }
  // Who is refused has cleared nothing.
  for (const Trial& trial : sweep.trials)
    CHECK(std::filesystem::exists(path + "/" + trial.Folder() + "/model.safetensors"));
  CHECK(!refused({}));
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
        (folder / "s.json") + ": 1 of 1 trials can't be run\n" + (folder / "s.json") +
            ": halving.min_rounds: must be at least evaluation.every (5), got 2");
  for (const auto& [metric, why] :
       {std::pair("test_accuracy", "test_accuracy is not taken for regression"),
        {"client_loss_mean",
         "client_loss_mean is not taken while evaluation.clients is \"none\""}}) {
    const Sweep untaken = Written(folder / "s.json", {{"halving", {{"metric", metric}}}});
    CHECK(ErrorOf<ConfigError>([&] { CheckTrials(untaken); }) ==
          (folder / "s.json") + ": 1 of 1 trials can't be run\n" + (folder / "s.json") +
              ": halving.metric: " + why);
  }
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

TEST_CASE("the cost of a trial has that of the evaluation of clients") {
  const TempFolder folder;
  const Sweep sweep = Written(folder / "s.json", {{"grid",
                                                   {{"partition.clients", {240}},
                                                    {"sampler.cohort", {1}},
                                                    {"evaluation.clients", {"none", "all"}}}}});
  LoadedData data;
  const std::atomic<bool> stop{false};
  double without = 1e9, with = 1e9;  // the least of some: others may have the cores meanwhile
  for (int i = 0; i < 5; ++i) {
    const auto costs = MeasureTrials({&sweep.trials[0], &sweep.trials[1]}, data, stop);
    REQUIRE(costs.size() == 2);
    without = std::min(without, costs[0].rounds_s);
    with = std::min(with, costs[1].rounds_s);
  }
  CHECK(with > 3 * without);  // 240 clients beside one
}

}  // namespace
}  // namespace flsim
