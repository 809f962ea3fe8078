#include "engine/experiment/replay.h"

#include <catch2/catch.hpp>

#include "engine/experiment/update_recorder.h"
#include "tests/datasets/tiny_cifar.h"
#include "tests/experiment/run_json.h"

namespace flsim {
namespace {

/// Replays into OUT; returns the number of rounds. `notes`: a line each.
int64_t ReplayIn(const std::string& updates, const std::string& out, const Json& json,
                 std::string* notes = nullptr, ExistingRun existing = ExistingRun::kReplace) {
  Experiment experiment(json, "test.json");
  const Recording recording = ReadRecording(updates);
  RunFolder folder(out, existing, experiment.resolved(), FolderOf::kReplay);
  const std::atomic<bool> stop{false};
  const auto note = [&](const std::string& text) {
    if (notes != nullptr) *notes += text + "\n";
  };
  return Replay(experiment, recording, folder, {}, stop, note).summary.rounds;
}

/// A run of one round and where it left its updates.
Json OneRecordedRound() {
  return With(SmallRegression(), {{"output.record_updates", true}, {"rounds", 1}});
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
    const Json summary = ReadJsonFile(folder / "replayed/summary.json");
    CHECK(summary.at("final").at("test_loss") == run.summary.final_metrics.at("test_loss"));
    CHECK(summary.at("best").at("test_loss") == run.summary.best_metrics.at("test_loss"));
    CHECK(summary.at("model_sha256") == run.summary.model_sha256);
    CHECK(SameFile(folder / "run/model.safetensors", folder / "replayed/model.safetensors"));
    CHECK(RoundsWithoutTimes(folder / "replayed").back().at("update_norm") ==
          RoundsWithoutTimes(folder / "run").back().at("update_norm"));
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
  std::filesystem::remove(folder / "run/recording.json");
  // fednova derives the steps from the config's epochs and batch size.
  for (const char* strategy : {"fedavg", "fednova"}) {
    const Json own = With(json, {{"strategy", strategy}, {"output.record_updates", false}});
    std::string notes;
    ReplayIn(folder / "run", folder / strategy, own, &notes);
    CHECK_THAT(notes, Catch::StartsWith("the data could not be checked: " + (folder / "run") +
                                        " has no recording.json"));
    CHECK_THAT(notes, Catch::Contains(std::string("of strategy ") + strategy +
                                      " only the server's side is replayed; how the clients were "
                                      "trained is not known"));
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

TEST_CASE("replay refuses other data than the recording's and names the keys") {
  const TempFolder data, folder;
  const std::string run = folder / "run", out = folder / "out";
  const auto why = [&](const Json& json) {
    const std::string text = ErrorOf<ConfigError>([&] { ReplayIn(run, out, json); });
    const std::string head =
        "can't replay " + run + ": it was recorded on other data than those of this config\n  ";
    return text.rfind(head, 0) == 0 ? text.substr(head.size()) : text;
  };
  const Json json = OneRecordedRound();
  RunIn(run, json);
  CHECK(why(With(json, {{"seed", 7}})) == "seed: was 1, is 7");
  CHECK(why(With(json, {{"dataset.noise", 2.0}, {"rounds", 9}})) ==
        "dataset.noise: was 1.0, is 2.0");
  CHECK(why(With(json, {{"evaluation.held_out", 0.5}})) == "evaluation.held_out: was 0.0, is 0.5");
  CHECK_THAT(why(With(json, {{"partition.name", "linear"}})),
             Catch::StartsWith("partition.name: was \"quantity\", is \"linear\""));
  CHECK_FALSE(std::filesystem::exists(out));
  // The same partition from a file is the same.
  Experiment experiment(json, "test.json");
  experiment.LoadPartition();
  SavePartition(folder / "p", experiment.partition(), experiment.partition_input());
  CHECK(why(With(json, {{"partition", {{"name", "file"}, {"path", folder / "p"}}}})).empty());

  // What the bytes of the files don't tell, and what they alone tell.
  WriteTinyCifar(data.path(), 12);
  const Json images = With(SmallImages(data.path().string()), {{"output.record_updates", true}});
  RunIn(run, images, ExistingRun::kReplace);
  CHECK(why(images).empty());
  CHECK(why(With(images, {{"dataset.normalize.std", {1.0, 1.0, 1.0}}})) ==
        "dataset.normalize.std: was [0.247,0.2435,0.2616], is [1.0,1.0,1.0]");
  const Json last = ReadJsonFile(run + "/recording.json");
  WriteTinyCifar(data.path(), 24);
  CHECK_THAT(why(images),
             Catch::StartsWith("dataset: its SHA-256 was " +
                               last.at("dataset_sha256").get<std::string>() + ", is "));
}

TEST_CASE("what of the config plays no part is said") {
  const TempFolder folder;
  const Json json = OneRecordedRound();
  RunIn(folder / "run", json);
  std::string same, other;
  ReplayIn(folder / "run", folder / "same", json, &same);
  CHECK(same ==
        "cohorts and clients' models are the recorded ones: rounds, sampler and "
        "evaluation.clients play no part, and of training only what the server's side of fedavg "
        "computes with\n");
  ReplayIn(folder / "run", folder / "other", With(json, {{"strategy", "fedprox"}}), &other);
  CHECK_THAT(other, Catch::EndsWith("of strategy {\"name\":\"fedprox\",\"mu\":0.01} only the "
                                    "server's side is replayed; the clients were trained under "
                                    "{\"name\":\"fedavg\"}\n"));
}

TEST_CASE("a replay leaves a run's files, and replaces another only by force") {
  const TempFolder folder;
  const Json json = OneRecordedRound();
  const std::string run = folder / "run", out = folder / "out";
  RunIn(run, json);
  ReplayIn(run, out, json, nullptr, ExistingRun::kRefuse);
  for (const char* name : {"config.json", "rounds.jsonl", "summary.json", "model.safetensors",
                           "global-0000.safetensors", "global-0001.safetensors"}) {
    CHECK(std::filesystem::exists(out + "/" + name));
  }
  CHECK_FALSE(std::filesystem::exists(out + "/checkpoint"));
  const Json summary = ReadJsonFile(out + "/summary.json");
  CHECK(summary.at("status") == "completed");
  CHECK(summary.at("rounds") == 1);
  CHECK_FALSE(summary.contains("train_examples_per_s"));
  CHECK(ErrorOf<ConfigError>([&] { ReplayIn(run, out, json, nullptr, ExistingRun::kRefuse); }) ==
        out +
            " already holds a run or a replay; add --force to replace it, or choose another folder "
            "with --out");
  CHECK_NOTHROW(ReplayIn(run, out, json));
  // Not even by force is the recording itself replaced.
  CHECK(ErrorOf<ConfigError>([&] { ReplayIn(run, run, json); }) ==
        "--out must not be the folder of --updates, " + run +
            ": the recording would be overwritten");
  CHECK(std::filesystem::exists(run + "/round-0001/clients.csv"));
}

TEST_CASE("a replay that diverges keeps the last whole round") {
  const TempFolder folder;
  RunIn(folder / "run", With(OneRecordedRound(), {{"rounds", 3}}));
  Experiment experiment(With(OneRecordedRound(), {{"server_optimizer.lr", 1e30}}), "test.json");
  RunFolder out(folder / "out", ExistingRun::kRefuse, experiment.resolved(), FolderOf::kReplay);
  const std::atomic<bool> stop{false};
  const RunResult result =
      Replay(experiment, ReadRecording(folder / "run"), out, {}, stop, [](const std::string&) {});
  CHECK(result.summary.status == "diverged");
  CHECK(result.state.round == result.summary.rounds);
  CHECK(result.state.round < 3);
  CHECK(SameFile(GlobalFile(folder / "out", result.state.round), folder / "out/model.safetensors"));
}

TEST_CASE("without a note of its origin, data are compared by their numbers of examples") {
  const Json json = OneRecordedRound();
  const TempFolder folder;
  RunIn(folder / "run", json);
  std::filesystem::remove(folder / "run/recording.json");
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
        csv + " line 3: client must be a whole number from 0 to 4294967295; got '-1'");
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
