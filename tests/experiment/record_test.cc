// What a run says of itself in rounds.jsonl and summary.json.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "engine/core/vector_ops.h"
#include "tests/datasets/tiny_cifar.h"
#include "tests/experiment/run_json.h"

namespace flsim {
namespace {

/// A round with these accuracies of the global model and of the clients' own.
RoundRecord Accuracies(int64_t round, double test, double clients) {
  RoundRecord record;
  record.round = round;
  record.test = Metrics{1, test, {}, {}};
  record.clients = ClientMetrics{Distribution{}, Distribution{}, {}};
  record.clients->accuracy->mean = clients;
  return record;
}

TEST_CASE("the best round of a personalised strategy is that of the clients' own models") {
  RunProgress global, personal;
  RoundRecord first;  // of a sampled cohort there is none yet
  first.test = Metrics{1, 0.9, {}, {}};
  for (const RoundRecord& record : {first, Accuracies(1, 0.1, 0.5), Accuracies(2, 0.3, 0.4),
                                    Accuracies(3, 0.2, 0.6), Accuracies(4, 0.95, 0.6)}) {
    global.Take(record, /*personal=*/false);
    personal.Take(record, /*personal=*/true);
  }
  CHECK(global.best_metrics.at("round") == 4);
  CHECK(personal.best_metrics.at("round") == 3);
  CHECK(personal.best_metrics.at("client_accuracy_mean") == 0.6);

  const TempFolder data, folder;
  WriteTinyCifar(data.path(), 24);
  const Json json = With(SmallImages(data.path().string()),
                         {{"strategy", "ditto"}, {"evaluation.every", 1}, {"rounds", 4}});
  const RunResult run = RunIn(folder / "run", json);
  double best = 0;
  for (const Json& round : RoundsWithoutTimes(folder / "run")) {
    best = std::max(best, round.at("client_accuracy").at("mean").get<double>());
  }
  CHECK(run.summary.best_metrics.at("client_accuracy_mean") == best);
}

TEST_CASE("rounds that were skipped are counted, across a resumption too") {
  const TempFolder folder;
  WriteFileAtomically(folder / "cohorts.json", "[[0], [0, 1, 2, 3, 4, 5, 6], [], [1, 2]]");
  const Json json =
      With(SmallRegression(), {{"aggregator", "krum"},
                               {"rounds", 2},
                               {"sampler", {{"name", "file"}, {"path", folder / "cohorts.json"}}}});
  CHECK(RunIn(folder / "run", json).summary.skipped_rounds == 1);
  CHECK(ReadJsonFile(folder / "run/summary.json").at("skipped_rounds") == 1);
  RunIn(folder / "run", With(json, {{"rounds", 4}}), ExistingRun::kResume);
  CHECK(ReadJsonFile(folder / "run/summary.json").at("skipped_rounds") == 3);
  RunIn(folder / "none", SmallRegression());
  CHECK_FALSE(ReadJsonFile(folder / "none/summary.json").contains("skipped_rounds"));
}

TEST_CASE("update_norm is how far a server of plain SGD moves the model, for every strategy") {
  for (const char* strategy : {"fedavg", "fedprox", "fednova", "feddyn", "feddc", "scaffold",
                               "fedexp", "qfedavg", "mime", "agnostic", "fedsgd"}) {
    INFO(strategy);
    const Json json = With(SmallRegression(), {{"strategy", strategy}, {"training.lr", 0.002}});
    const auto after = [&](int rounds) {
      return RunOnce(With(json, {{"rounds", rounds}})).state.parameters;
    };
    const TempFolder folder;
    RunIn(folder / "run", json);
    const at::Tensor moved = after(3);
    AddScaled(moved, -1, after(2));
    const double norm = std::sqrt(SquaredNorm(moved));
    CHECK(norm > 0);
    CHECK(RoundsWithoutTimes(folder / "run").back().at("update_norm").get<double>() ==
          Approx(norm).epsilon(1e-4));
  }
}

TEST_CASE("personal models that are judged on their own training examples get a warning") {
  const auto warnings = [](const Json& strategy, const Json& evaluation) {
    const Json json = With(SmallRegression(), {{"strategy", strategy}, {"evaluation", evaluation}});
    return Experiment(json, "test.json").Warnings();
  };
  CHECK(warnings("ditto", {{"held_out", 0}}) ==
        std::vector<std::string>{
            "evaluation.held_out is 0: each client's own model is judged on the very examples that "
            "it was trained on; leave it out, or set it to 0.2, to keep a part of them for this"});
  CHECK(warnings("ditto", Json::object()).empty());
  CHECK(warnings("ditto", {{"held_out", 0}, {"clients", "none"}}).empty());
  CHECK(warnings("fedavg", {{"clients", "all"}}).empty());
}

}  // namespace
}  // namespace flsim
