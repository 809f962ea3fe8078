#include "engine/experiment/stopping.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <limits>

#include "engine/core/error.h"
#include "engine/core/safetensors.h"
#include "tests/experiment/run_json.h"

namespace flsim {
namespace {

RoundRecord TestLoss(double loss) {
  RoundRecord record;
  record.test = Metrics{loss, {}, {}, {}};
  return record;
}

StopOptions Watching(const char* metric) {
  StopOptions options;
  options.metric = metric;
  return options;
}

TEST_CASE("a target is reached by a loss from above and by an accuracy from below") {
  StopOptions options = Watching("test_loss");
  options.target = 0.5;
  StopState state;
  Watch(options, TestLoss(0.51), state);
  CHECK(state.reason.empty());
  Watch(options, TestLoss(0.5), state);
  CHECK(state.reason == "test_loss reached 0.5");

  options.metric = "test_accuracy";
  StopState other;
  RoundRecord record = TestLoss(9);
  record.test->accuracy = 0.49;
  Watch(options, record, other);
  CHECK(other.reason.empty());
  record.test->accuracy = 0.51;
  Watch(options, record, other);
  CHECK(other.reason == "test_accuracy reached 0.5");
}

TEST_CASE("patience counts evaluations since the best one, and only those that have the metric") {
  StopOptions options = Watching("test_loss");
  options.patience = 2;
  StopState state;
  for (const double loss : {3.0, 2.0, 2.5}) Watch(options, TestLoss(loss), state);
  Watch(options, {}, state);
  CHECK(state.reason.empty());
  Watch(options, TestLoss(1.9), state);  // better: counts afresh
  Watch(options, TestLoss(1.9), state);
  CHECK(state.reason.empty());
  Watch(options, TestLoss(2.0), state);
  CHECK(state.reason == "test_loss has not improved for 2 evaluations");
}

TEST_CASE("an improvement must be more than min_delta over the best so far") {
  StopOptions options = Watching("test_loss");
  options.patience = 3;
  options.min_delta = 0.5;
  StopState state;
  // Small steps add up against the best, which stays where it was.
  for (const double loss : {3.0, 2.75, 2.5}) Watch(options, TestLoss(loss), state);
  CHECK(state.stale == 2);
  Watch(options, TestLoss(2.25), state);
  CHECK(state.stale == 0);
  CHECK(state.best == 2.25);
}

TEST_CASE("a run stops at its target, keeps what it has and is complete") {
  const TempFolder folder;
  RunIn(folder / "whole", With(SmallRegression(), {{"rounds", 12}}));
  const auto all = RoundsWithoutTimes(folder / "whole");
  const double target = all[5].at("test_loss");
  const RunResult stopped =
      RunIn(folder / "stopped", With(SmallRegression(), {{"rounds", 12}, {"stop.target", target}}));
  CHECK(stopped.summary.status == "completed");
  CHECK(stopped.summary.stopped == "test_loss reached " + ShowNumber(target));
  const auto rounds = RoundsWithoutTimes(folder / "stopped");
  REQUIRE(rounds.size() <= 6);
  CHECK(rounds.back().at("test_loss") <= target);
  CHECK(rounds[rounds.size() - 2].at("test_loss") > target);
  for (size_t i = 0; i < rounds.size(); ++i) CHECK(rounds[i] == all[i]);
  const Json summary = ReadJsonFile(folder / "stopped/summary.json");
  CHECK(summary.at("stopped") == stopped.summary.stopped);

  SECTION("and is not gone on with when it is resumed") {
    const RunResult again = RunIn(
        folder / "stopped", With(SmallRegression(), {{"rounds", 12}, {"stop.target", target}}),
        ExistingRun::kResume);
    CHECK(again.summary.stopped == stopped.summary.stopped);
    CHECK(RoundsWithoutTimes(folder / "stopped") == rounds);
  }
}

TEST_CASE("patience is remembered over an interruption") {
  // Of so large a step that the loss goes up and down.
  const Json json =
      With(SmallRegression(), {{"rounds", 60}, {"training.lr", 0.1}, {"stop.patience", 3}});
  const TempFolder folder;
  RunIn(folder / "whole", json);
  const auto whole = RoundsWithoutTimes(folder / "whole");
  REQUIRE(whole.size() < 61);
  for (const int64_t until : {1, 3, static_cast<int>(whole.size()) - 3}) {
    const std::string part = folder / ("part-" + std::to_string(until));
    for (const int64_t end : {until, std::numeric_limits<int64_t>::max()}) {
      Experiment experiment(json, "test.json");
      RunFolder run_folder(part, ExistingRun::kResume, experiment.resolved());
      experiment.Load();
      const std::atomic<bool> stop{false};
      Run(experiment, run_folder, {}, stop, end);
    }
    CHECK(RoundsWithoutTimes(part) == whole);
  }
}

TEST_CASE("budgets of examples and bytes end the run after the round that spends them, tested") {
  const TempFolder folder;
  const Json json = With(SmallRegression(), {{"rounds", 10}, {"evaluation.every", 0}});
  RunIn(folder / "whole", json);
  const auto all = RoundsWithoutTimes(folder / "whole");
  int64_t examples = 0, bytes = 0;
  for (size_t i = 1; i <= 4; ++i) {
    examples += all[i].at("examples").get<int64_t>();
    bytes += all[i].at("bytes_up").get<int64_t>() + all[i].at("bytes_down").get<int64_t>();
  }
  for (const auto& [key, budget] : {std::pair{"examples", examples}, {"bytes", bytes}}) {
    const std::string name = std::string("stop.") + key;
    for (const int64_t less : {0, 1}) {
      const std::string out = folder / (key + std::to_string(less));
      const RunResult result = RunIn(out, With(json, {{name, budget - less}}));
      CHECK(result.summary.rounds == 4);
      CHECK(RoundsWithoutTimes(out).back().contains("test_loss"));
      CHECK(result.summary.stopped == name + " (" + std::to_string(budget - less) + ") are spent");
    }
    CHECK(RunOnce(With(json, {{name, budget + 1}})).summary.rounds == 5);
  }
}

TEST_CASE("a run that its training loss ends has its last model tested") {
  const TempFolder folder;
  RunIn(folder / "whole", With(SmallRegression(), {{"rounds", 12}}));
  const auto all = RoundsWithoutTimes(folder / "whole");
  const double target = all[4].at("train_loss");
  size_t last = 1;
  while (all[last].at("train_loss").get<double>() > target) ++last;
  REQUIRE(last % 5 != 0);  // not a round that evaluation.every asks for
  const std::vector<Json> ends = {
      {{"metric", "train_loss"}, {"target", target}},
      {{"metric", "train_loss"}, {"patience", last}, {"min_delta", 1e9}}};
  for (size_t i = 0; i < ends.size(); ++i) {
    const size_t rounds = i == 0 ? last : last + 1;  // the first round is the best one
    for (const int every : {0, 5}) {
      CAPTURE(i, every);
      const std::string out = folder / (std::to_string(i) + "-" + std::to_string(every));
      const Json json =
          With(SmallRegression(), {{"rounds", 12}, {"evaluation.every", every}, {"stop", ends[i]}});
      const RunResult result = RunIn(out, json);
      CHECK(result.summary.status == "completed");
      CHECK_THAT(result.summary.stopped, Catch::StartsWith("train_loss "));
      const auto lines = RoundsWithoutTimes(out);
      CHECK(lines.back() == all.at(rounds));
      CHECK(ReadJsonFile(out + "/summary.json").at("final").at("test_loss") ==
            all.at(rounds).at("test_loss"));
    }
  }
}

TEST_CASE("best.safetensors is the model of the best round") {
  const TempFolder folder;
  const Json json = With(SmallRegression(), {{"rounds", 8}, {"training.lr", 0.1}});
  const RunResult result = RunIn(folder / "run", json);
  const int64_t best = result.summary.best_metrics.at("round");
  REQUIRE(best < 8);
  const RunResult until = RunOnce(With(json, {{"rounds", best}}));
  at::Tensor parameters, buffers;
  Experiment experiment(json, "test.json");
  LoadParameters(experiment.network(), folder / "run/best.safetensors", parameters, buffers);
  CHECK(SameBits(parameters, until.state.parameters));
}

TEST_CASE("what is never taken can't be watched") {
  const auto error = [](const std::vector<std::pair<std::string, Json>>& changes) {
    return ErrorOf<ConfigError>([&] { Experiment(With(SmallRegression(), changes), "test.json"); });
  };
  CHECK(error({{"stop", {{"metric", "test_accuracy"}, {"target", 0.5}}}}) ==
        "test.json has 1 problem\n  stop.metric: test_accuracy is not taken for regression");
  CHECK(error({{"stop", {{"metric", "client_loss_mean"}, {"patience", 5}}}}) ==
        "test.json has 1 problem\n"
        "  stop.metric: client_loss_mean is not taken while evaluation.clients is \"none\"");
  CHECK(error({{"stop.patience", 5}, {"evaluation.every", 0}}) ==
        "test.json has 1 problem\n"
        "  stop.metric: test_loss is taken only at the end while evaluation.every is 0");
  CHECK(error({{"stop.metric", "accuracy"}}).find("stop.metric: must be one of") !=
        std::string::npos);
}

}  // namespace
}  // namespace flsim
