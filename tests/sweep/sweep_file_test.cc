#include "engine/sweep/sweep_file.h"

#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "engine/core/error.h"
#include "engine/core/files.h"
#include "tests/temp_folder.h"

namespace flsim {
namespace {

/// The sweep in a file with this text, whose base is a small experiment.
Sweep Read(const std::string& axes, const std::vector<std::string>& overrides = {}) {
  const TempFolder folder;
  WriteFileAtomically(folder / "base.json",
                      R"({"dataset": "synthetic_regression", "strategy": "fedavg", "seed": 4})");
  WriteFileAtomically(folder / "test.json", R"({"base": "base.json")" + axes + "}");
  return ReadSweep(folder / "test.json", overrides);
}

std::vector<std::string> Labels(const Sweep& sweep) {
  std::vector<std::string> labels;
  for (const Trial& trial : sweep.trials) labels.push_back(trial.Label());
  return labels;
}

/// What is wrong with the file, without its name.
std::string ProblemsOf(const std::string& axes) {
  std::string text = ErrorOf<ConfigError>([&] { Read(axes); });
  const size_t name = text.find("test.json ");
  return name == std::string::npos ? text : text.substr(name);
}

TEST_CASE("a grid makes all combinations, the last axis fastest") {
  const Sweep sweep = Read(R"(, "grid": {"strategy": ["fedavg", "fedprox"], "rounds": [1, 2, 3]})");
  CHECK(Labels(sweep) ==
        std::vector<std::string>{
            "strategy=fedavg, rounds=1, seed=4", "strategy=fedavg, rounds=2, seed=4",
            "strategy=fedavg, rounds=3, seed=4", "strategy=fedprox, rounds=1, seed=4",
            "strategy=fedprox, rounds=2, seed=4", "strategy=fedprox, rounds=3, seed=4"});
  CHECK(sweep.trials[4].config.at("strategy") == "fedprox");
  CHECK(sweep.trials[4].config.at("rounds") == 2);
  CHECK(sweep.trials[4].config.at("dataset") == "synthetic_regression");
  CHECK(sweep.trials[4].Folder() == "trial-0005");
  CHECK(sweep.points == 6);
  CHECK(sweep.axes == std::vector<std::string>{"strategy", "rounds"});
}

TEST_CASE("repeat runs every point with the base's seed and those that follow") {
  const Sweep sweep = Read(R"(, "grid": {"rounds": [1, 2]}, "repeat": 3)");
  std::vector<std::pair<int64_t, uint64_t>> seeds;
  for (const Trial& trial : sweep.trials) {
    seeds.emplace_back(trial.point, trial.seed);
    CHECK(trial.config.at("seed") == trial.seed);
  }
  CHECK(seeds ==
        std::vector<std::pair<int64_t, uint64_t>>{{1, 4}, {1, 5}, {1, 6}, {2, 4}, {2, 5}, {2, 6}});
}

TEST_CASE("seeds that are listed belong to one point") {
  const Sweep sweep = Read(R"(, "grid": {"seed": [7, 11], "rounds": [1, 2]})");
  CHECK(sweep.points == 2);
  CHECK(sweep.axes == std::vector<std::string>{"rounds"});
  CHECK(sweep.trials[0].point == sweep.trials[2].point);
  CHECK(sweep.trials[2].seed == 11);
  CHECK(ProblemsOf(R"(, "grid": {"seed": [7, 11]}, "repeat": 2)") ==
        "test.json has 1 problem\n"
        "  repeat: sets the seeds, but seed is varied already; leave one of them out");
}

TEST_CASE("zipped axes vary together") {
  const Sweep sweep =
      Read(R"(, "zip": [{"rounds": [10, 30], "training.lr": [0.1, 0.03]}, {"seed": [1, 2]}])");
  REQUIRE(sweep.trials.size() == 4);
  CHECK(sweep.trials[2].config.at("rounds") == 30);
  CHECK(sweep.trials[2].config.at("training").at("lr") == 0.03);
  CHECK(ProblemsOf(R"(, "zip": {"rounds": [10, 30], "training.lr": [0.1]})") ==
        "test.json has 1 problem\n"
        "  zip.training.lr: must have 2 values as the lists before it, got 1");
}

TEST_CASE("random axes draw from their distributions, the same ones every time") {
  const std::string axes = R"(, "random": {"samples": 2000, "seed": 3,
      "training.lr": {"log_uniform": [0.0001, 1]}, "training.momentum": {"uniform": [0.5, 0.9]},
      "rounds": {"integer": [3, 5]}, "strategy": {"choice": ["fedavg", "fedprox"]}})";
  const Sweep sweep = Read(axes);
  REQUIRE(sweep.trials.size() == 2000);
  int small = 0;
  std::set<int64_t> rounds;
  std::set<std::string> strategies;
  for (const Trial& trial : sweep.trials) {
    const double lr = trial.config.at("training").at("lr");
    const double momentum = trial.config.at("training").at("momentum");
    CHECK((lr >= 0.0001 && lr <= 1));
    CHECK((momentum >= 0.5 && momentum <= 0.9));
    small += lr < 0.01;  // half of the logarithmic range
    rounds.insert(trial.config.at("rounds").get<int64_t>());
    strategies.insert(trial.config.at("strategy").get<std::string>());
  }
  CHECK(std::abs(small - 1000) < 100);  // 4.5 standard deviations
  CHECK(rounds == std::set<int64_t>{3, 4, 5});
  CHECK(strategies == std::set<std::string>{"fedavg", "fedprox"});
  CHECK(Labels(Read(axes)) == Labels(sweep));
}

TEST_CASE("one more random axis leaves the draws of the others as they are") {
  const Sweep one = Read(R"(, "random": {"samples": 5, "training.lr": {"uniform": [0, 1]}})");
  const Sweep two = Read(R"(, "random": {"samples": 5, "rounds": {"integer": [1, 9]},
                                         "training.lr": {"uniform": [0, 1]}})");
  for (size_t i = 0; i < 5; ++i) {
    CHECK(one.trials[i].config.at("training").at("lr") ==
          two.trials[i].config.at("training").at("lr"));
  }
}

TEST_CASE("equal draws are one trial, and the trials are numbered without gaps") {
  const std::string axes = R"(, "random": {"samples": 40, "rounds": {"integer": [3, 4]}})";
  const Sweep once = Read(axes);
  CHECK(once.points == 2);
  CHECK(once.trials.size() == 2);
  const Sweep repeated = Read(axes + R"(, "repeat": 3)");
  CHECK(repeated.points == 2);
  REQUIRE(repeated.trials.size() == 6);
  std::set<std::string> labels;
  std::map<int64_t, int> seeds;
  for (size_t i = 0; i < repeated.trials.size(); ++i) {
    CHECK(repeated.trials[i].number == static_cast<int64_t>(i) + 1);
    labels.insert(repeated.trials[i].Label());
    ++seeds[repeated.trials[i].point];
  }
  CHECK(labels.size() == 6);
  CHECK(seeds == std::map<int64_t, int>{{1, 3}, {2, 3}});
}

TEST_CASE("a condition adds axes where it holds, or leaves points out") {
  const Sweep sweep = Read(R"(, "grid": {"strategy": ["fedavg", "fedprox", "feddyn"],
                                         "rounds": [1, 2]},
      "conditions": [{"when": {"strategy": "fedprox"}, "grid": {"strategy.mu": [0.1, 1]}},
                     {"when": {"strategy": ["feddyn", "fedavg"], "rounds": 2}, "skip": true}])");
  CHECK(Labels(sweep) ==
        std::vector<std::string>{"strategy=fedavg, rounds=1, seed=4",
                                 "strategy=fedprox, rounds=1, strategy.mu=0.1, seed=4",
                                 "strategy=fedprox, rounds=1, strategy.mu=1, seed=4",
                                 "strategy=fedprox, rounds=2, strategy.mu=0.1, seed=4",
                                 "strategy=fedprox, rounds=2, strategy.mu=1, seed=4",
                                 "strategy=feddyn, rounds=1, seed=4"});
  CHECK(sweep.trials[1].config.at("strategy") == Json{{"name", "fedprox"}, {"mu", 0.1}});
}

TEST_CASE("a condition sees what the base has") {
  const Sweep sweep = Read(R"(, "grid": {"rounds": [1, 2]},
      "conditions": [{"when": {"strategy": "fedavg", "rounds": 1}, "skip": true}])");
  CHECK(Labels(sweep) == std::vector<std::string>{"rounds=2, seed=4"});
}

TEST_CASE("--set changes the base") {
  const Sweep sweep = Read(R"(, "grid": {"rounds": [1, 2]})", {"training.lr=0.5", "seed=9"});
  CHECK(sweep.trials[1].config.at("training").at("lr") == 0.5);
  CHECK(sweep.trials[1].seed == 9);
}

TEST_CASE("a sweep file that makes no sense is refused with every problem") {
  CHECK(ProblemsOf(R"(, "gird": {}, "repeat": 0, "grid": {"rounds": []},
                      "random": {"training.lr": {"log_uniform": [0, 1]}})") ==
        "test.json has 5 problems\n"
        "  gird: is unknown; did you mean grid?\n"
        "  repeat: must be an integer between 1 and 100000, got 0\n"
        "  grid.rounds: must be a list of values, at least one, got []\n"
        "  random.samples: is missing\n"
        "  random.training.lr: log_uniform needs numbers above 0, got {\"log_uniform\":[0,1]}");
  CHECK(ProblemsOf(R"(, "conditions": [{"when": {"rounds": 1}}])") ==
        "test.json has 1 problem\n"
        "  conditions[0]: does nothing; it needs grid, zip, random or \"skip\": true");
  CHECK(ProblemsOf(R"(, "conditions": [{"when": {}, "skip": true}])") ==
        "test.json has 1 problem\n  conditions: skip every point");
  CHECK(ProblemsOf(R"(, "halving": {"eta": 1})") ==
        "test.json has 1 problem\n  halving.eta: must be an integer between 2 and 1000, got 1");
  CHECK(ProblemsOf(R"(, "halving": {"metric": "test_acuracy"})") ==
        "test.json has 1 problem\n"
        "  halving.metric: must be one of train_loss, test_loss, test_accuracy, test_mse, test_r2, "
        "client_loss_mean, client_accuracy_mean, or a statistic over clients such as "
        "client_accuracy.p5; got \"test_acuracy\"");
  CHECK(*Read(R"(, "halving": {"metric": "client_loss.worst_tenth"})").halving->metric ==
        "client_loss.worst_tenth");
  const TempFolder folder;
  WriteFileAtomically(folder / "a.json", "{}");
  CHECK(ErrorOf<ConfigError>([&] { ReadSweep(folder / "a.json", {}); }) ==
        (folder / "a.json") +
            " has 1 problem\n  base: is missing: an experiment, or the path of its config");
}

TEST_CASE("an axis that sets again what another sets is refused, one that refines it is not") {
  CHECK(ProblemsOf(R"(, "grid": {"rounds": [1, 2]}, "zip": {"rounds": [3, 4]})") ==
        "test.json has 1 problem\n"
        "  rounds: sets again what the axis rounds sets; leave one of them out");
  CHECK(ProblemsOf(R"(, "grid": {"training.lr": [1, 2]}, "zip": {"training": [{"lr": 3}]})") ==
        "test.json has 1 problem\n"
        "  training: sets again what the axis training.lr sets; leave one of them out");
  CHECK(Read(R"(, "grid": {"training": [{"lr": 3}]}, "zip": {"training.momentum": [0, 0.9]})")
            .trials.size() == 2);
}

TEST_CASE("a condition that holds nowhere is told, and so is an experiment in a sweep's place") {
  CHECK(Read(R"(, "grid": {"strategy": ["fedavg"]},
                   "conditions": [{"when": {"strategy": "fedpox"}, "skip": true}])")
            .warnings == std::vector<std::string>{
                             R"(conditions[0].when holds for no point: {"strategy":"fedpox"})"});
  CHECK(Read(R"(, "grid": {"strategy": ["fedavg", "fedprox"]},
                   "conditions": [{"when": {"strategy": "fedprox"}, "skip": true}])")
            .warnings.empty());
  const TempFolder folder;
  WriteFileAtomically(folder / "e.json", R"({"dataset": "cifar10"})");
  CHECK(ErrorOf<ConfigError>([&] { ReadSweep(folder / "e.json", {}); }) ==
        folder / "e.json" + " is an experiment and no sweep; run it with flsim --config " +
            (folder / "e.json"));
}

TEST_CASE("what the sweep sets for each trial can't be varied, wherever the axis stands") {
  for (const std::string key : {"name", "output.dir", "runtime.workers"}) {
    const std::string values = "{\"" + key + "\": [1, 2]}";
    const std::string draws = "{\"samples\": 1, \"" + key + "\": {\"choice\": [1, 2]}}";
    for (const std::string& axes :
         {", \"grid\": " + values, ", \"zip\": " + values, ", \"random\": " + draws,
          ", \"conditions\": [{\"when\": {}, \"grid\": " + values + "}]"}) {
      CAPTURE(axes);
      CHECK(ProblemsOf(axes) == "test.json has 1 problem\n  " + key +
                                    ": can't be varied: the sweep sets it for each trial");
    }
  }
}

}  // namespace
}  // namespace flsim
