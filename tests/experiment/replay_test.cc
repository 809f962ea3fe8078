#include "engine/experiment/replay.h"

#include <catch2/catch.hpp>

#include "engine/experiment/update_recorder.h"
#include "tests/datasets/tiny_cifar.h"
#include "tests/experiment/run_json.h"

namespace flsim {
namespace {

/// Replays into OUT; returns the number of rounds.
int64_t ReplayIn(const std::string& updates, const std::string& out, const Json& json,
                 std::string* note = nullptr) {
  Experiment experiment(json, "test.json");
  const std::atomic<bool> stop{false};
  return Replay(experiment, updates, out, {}, stop, [&](const std::string& text) {
    if (note != nullptr) *note += text;
  });
}

bool SameFile(const std::string& a, const std::string& b) { return ReadFile(a) == ReadFile(b); }

TEST_CASE("replaying a run under its own strategy gives its own models, to the bit") {
  const TempFolder data;
  WriteTinyCifar(data.path(), 12);
  const Json small =
      With(SmallRegression(),
           {{"output.record_updates", true}, {"training.epochs", 2}, {"sampler.cohort", 8}});
  std::vector<Json> configs;
  for (const char* strategy :
       {"fedavg", "fedprox", "scaffold", "fednova", "feddyn", "qfedavg", "fedexp", "feddc", "mime",
        "agnostic", "fedsgd", "fedadam", "fedyogi", "fedmedian", "krum", "bulyan", "rfa"}) {
    configs.push_back(With(small, {{"strategy", strategy}}));
    if (configs.back()["strategy"] == "fedsgd") configs.back()["training"]["epochs"] = 1;
  }
  configs.push_back(With(small, {{"strategy", {{"name", "scaffold"}, {"option", 1}}}}));
  configs.push_back(
      With(small, {{"strategy", {{"name", "fednova"}, {"mu", 0.1}}}, {"training.momentum", 0.9}}));
  configs.push_back(With(small, {{"aggregator", {{"name", "fltrust"}, {"root_examples", 20}}}}));
  configs.push_back(
      With(SmallImages(data.path().string()), {{"model", {{"name", "resnet18"}, {"norm", "batch"}}},
                                               {"sampler.cohort", 2},
                                               {"training.steps", 1},
                                               {"output.record_updates", true}}));
  for (const Json& json : configs) {
    INFO(json.dump());
    const TempFolder folder;
    const RunResult run = RunIn(folder / "run", json);
    CHECK(ReplayIn(folder / "run", folder / "replayed", json) == run.state.round);
    for (int64_t round = 0; round <= run.state.round; ++round) {
      CHECK(SameFile(GlobalFile(folder / "run", round), GlobalFile(folder / "replayed", round)));
    }
    // The test metrics are those of the run, too.
    CHECK(RoundsWithoutTimes(folder / "replayed").back()["test_loss"] ==
          run.summary.final_metrics["test_loss"]);
  }
}

TEST_CASE("replaying under another strategy is what that strategy makes of the same updates") {
  const Json small = With(SmallRegression(), {{"output.record_updates", true}, {"rounds", 1}});
  const TempFolder folder;
  RunIn(folder / "run", small);
  const auto global = [&](const std::string& name, const Json& json, int64_t round) {
    ReplayIn(folder / "run", folder / name, json);
    return *ReadSafetensors(GlobalFile(folder / name, round)).Find("linear.weight");
  };
  const at::Tensor before = global("a", small, 0), mean = global("b", small, 1);
  const at::Tensor half =
      global("c", With(small, {{"server_optimizer", {{"name", "sgd"}, {"lr", 0.5}}}}), 1);
  for (int64_t i = 0; i < mean.numel(); ++i) {
    const float* w = before.const_data_ptr<float>();
    CHECK(half.const_data_ptr<float>()[i] ==
          Approx((w[i] + mean.const_data_ptr<float>()[i]) / 2).margin(1e-6));
  }
}

TEST_CASE("updates of another tool are taken: no steps, no losses, and no data of ours") {
  const Json json = With(SmallRegression(), {{"output.record_updates", true}, {"rounds", 2}});
  const TempFolder folder;
  RunIn(folder / "run", json);
  for (const char* round : {"round-0001", "round-0002"}) {
    std::string csv = "client,num_examples\r\n";
    for (const RecordedClient& client :
         ReadClientsCsv(folder / ("run/" + std::string(round) + "/clients.csv"))) {
      csv += std::to_string(client.client) + "," + std::to_string(client.examples) + "\r\n";
    }
    WriteFileAtomically(folder / ("run/" + std::string(round) + "/clients.csv"), csv);
    std::filesystem::remove(folder / ("run/" + std::string(round) + "/steps.csv"));
  }
  // fednova derives the steps from the config's epochs and batch size.
  for (const char* strategy : {"fedavg", "fednova"}) {
    const Json own = With(json, {{"strategy", strategy}, {"output.record_updates", false}});
    ReplayIn(folder / "run", folder / strategy, own);
  }
  CHECK(SameFile(GlobalFile(folder / "run", 2), GlobalFile(folder / "fedavg", 2)));
}

TEST_CASE("without data nothing is evaluated, and strategies that need none still work") {
  const TempFolder data, folder;
  WriteTinyCifar(data.path(), 12);
  const Json json = With(SmallImages(data.path().string()), {{"output.record_updates", true}});
  RunIn(folder / "run", json);
  const Json gone = With(json, {{"dataset.path", folder / "nowhere"}});
  std::string note;
  ReplayIn(folder / "run", folder / "replayed", gone, &note);
  CHECK_THAT(note, Catch::StartsWith("nothing is evaluated: "));
  CHECK(SameFile(GlobalFile(folder / "run", 2), GlobalFile(folder / "replayed", 2)));
  CHECK_FALSE(RoundsWithoutTimes(folder / "replayed").back().contains("test_loss"));
  CHECK_THROWS_AS(ReplayIn(folder / "run", folder / "q", With(gone, {{"strategy", "qfedavg"}})),
                  DataError);
}

TEST_CASE("strategies that look at the data refuse updates that were recorded on others") {
  const Json json = With(SmallRegression(), {{"output.record_updates", true}, {"rounds", 1}});
  const TempFolder folder;
  RunIn(folder / "run", json);
  const Json other = With(json, {{"seed", 2}});
  for (const char* strategy : {"qfedavg", "mime"}) {
    CHECK_THAT(ErrorOf<DataError>([&] {
                 ReplayIn(folder / "run", folder / "out", With(other, {{"strategy", strategy}}));
               }),
               Catch::Contains("needs the data of the run"));
  }
  CHECK_NOTHROW(ReplayIn(folder / "run", folder / "fedavg", other));
}

TEST_CASE("a recording that was interrupted is replayed as far as it goes") {
  const Json json = With(SmallRegression(), {{"output.record_updates", true}, {"rounds", 2}});
  const TempFolder folder;
  RunIn(folder / "run", json);
  std::filesystem::create_directory(folder / "run/round-0003");
  CHECK(ReplayIn(folder / "run", folder / "out", json) == 2);
}

TEST_CASE("what is wrong with recorded updates is said with file and line") {
  const Json json = With(SmallRegression(), {{"output.record_updates", true}, {"rounds", 1}});
  const TempFolder folder;
  RunIn(folder / "run", json);
  const std::string csv = folder / "run/round-0001/clients.csv";
  const auto refusal = [&](const std::string& text) {
    WriteFileAtomically(csv, text);
    return ErrorOf<DataError>([&] { ReplayIn(folder / "run", folder / "out", json); });
  };
  CHECK(refusal("client,train_loss\n0,1\n") ==
        csv +
            " line 1: needs a header with the columns client,num_examples,train_loss; "
            "'num_examples' is missing");
  CHECK(refusal("client,num_examples,train_loss\n0,5,0.1\n-1,5,0.1\n") ==
        csv + " line 3: client must be a whole number, at least 0; got '-1'");
  CHECK(refusal("client,num_examples,train_loss\n0,none,0.1\n") ==
        csv + " line 2: num_examples must be a whole number, at least 1; got 'none'");
  CHECK(refusal("client,num_examples,train_loss\n0,5,x\n") ==
        csv + " line 2: train_loss must be a number; got 'x'");
  CHECK(refusal("client,num_examples\n0,5\n0,5\n") ==
        csv + " line 3: client 0 stands in an earlier line already");
  CHECK_THAT(refusal("client,num_examples\n77,5\n"),
             Catch::Contains("has updates of client 77, but the partition of this config has "
                             "clients 0 to 11 only"));
  CHECK(ErrorOf<DataError>([&] { ReplayIn(folder / "no", folder / "out", json); }) ==
        (folder / "no") + " holds no recorded updates: there is no " +
            (folder / "no/round-0001/clients.csv") + "; record some with output.record_updates");
}

}  // namespace
}  // namespace flsim
