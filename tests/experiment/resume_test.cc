#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "engine/core/safetensors.h"
#include "tests/experiment/run_json.h"

namespace flsim {
namespace {

/// Asks for a stop once a round is recorded.
class StopAfter : public RecordSink {
 public:
  StopAfter(int64_t round, std::atomic<bool>& stop) : round_(round), stop_(stop) {}
  void Round(const RoundRecord& record) override {
    if (record.round == round_) stop_ = true;
  }

 private:
  int64_t round_;
  std::atomic<bool>& stop_;
};

/// An experiment whose server keeps state and whose rounds differ from each other.
Json Stateful(int rounds) {
  return With(SmallRegression(), {{"rounds", rounds},
                                  {"strategy", "fedavgm"},
                                  {"training.lr", 0.002},
                                  {"training.lr_decay", 0.9},
                                  {"training.momentum", 0.5}});
}

RunResult RunUntil(const std::string& folder, const Json& json, int64_t round) {
  Experiment experiment(json, "test.json");
  RunFolder run_folder(folder, ExistingRun::kResume, experiment.resolved());
  experiment.Load();
  std::atomic<bool> stop{false};
  StopAfter sink(round, stop);
  return Run(experiment, run_folder, {&sink}, stop);
}

TEST_CASE("ten rounds are four, an interruption, a resumption and six more, to the bit") {
  const TempFolder folder;
  const RunResult whole = RunIn(folder / "whole", Stateful(10));
  const RunResult part = RunUntil(folder / "parts", Stateful(10), 4);
  CHECK(part.summary.status == "interrupted");
  CHECK(part.state.round == 4);
  const RunResult rest = RunIn(folder / "parts", Stateful(10), ExistingRun::kResume);
  CHECK(rest.first_round == 4);
  CHECK(rest.summary.status == "completed");
  CHECK(SameBits(whole.state.parameters, rest.state.parameters));
  CHECK(RoundsWithoutTimes(folder / "whole") == RoundsWithoutTimes(folder / "parts"));
  CHECK(whole.summary.best_metrics == rest.summary.best_metrics);
}

TEST_CASE("a test beside the next round's clients is that of its own round's model") {
  const TempFolder folder;
  // Tests of clients' models as well do not wait for the next round.
  RunIn(folder / "apart", With(Stateful(6), {{"evaluation.clients", "cohort"}}));
  for (const int workers : {1, 3}) {
    const std::string beside = folder / ("beside-" + std::to_string(workers));
    RunIn(beside, With(Stateful(6), {{"runtime.workers", workers}}));
    const auto expected = RoundsWithoutTimes(folder / "apart"), rounds = RoundsWithoutTimes(beside);
    REQUIRE(rounds.size() == 7);
    for (size_t i = 0; i < rounds.size(); ++i) {
      CAPTURE(workers, i);
      CHECK(rounds[i].at("test_loss") == expected[i].at("test_loss"));
    }
  }
}

/// Asks for a stop while a round is trained.
class StopWithin : public RecordSink {
 public:
  StopWithin(int64_t round, std::atomic<bool>& stop) : round_(round), stop_(stop) {}
  void Round(const RoundRecord&) override {}
  void Progress(int64_t round, int64_t, int64_t) override {
    if (round == round_) stop_ = true;
  }

 private:
  int64_t round_;
  std::atomic<bool>& stop_;
};

TEST_CASE("a run that is stopped among its clients ends with the test that waited") {
  const TempFolder folder;
  const RunResult whole = RunIn(folder / "whole", Stateful(10));
  for (const int workers : {1, 3}) {
    CAPTURE(workers);
    const std::string run = folder / ("run-" + std::to_string(workers));
    const Json json = With(Stateful(10), {{"runtime.workers", workers}});
    {
      Experiment experiment(json, "test.json");
      RunFolder run_folder(run, ExistingRun::kRefuse, experiment.resolved());
      experiment.Load();
      std::atomic<bool> stop{false};
      StopWithin sink(5, stop);
      CHECK(Run(experiment, run_folder, {&sink}, stop).state.round == 4);
    }
    const auto rounds = RoundsWithoutTimes(run);
    REQUIRE(rounds.size() == 5);
    CHECK(rounds.back().contains("test_loss"));
    const RunResult rest = RunIn(run, json, ExistingRun::kResume);
    CHECK(SameBits(whole.state.parameters, rest.state.parameters));
    CHECK(RoundsWithoutTimes(folder / "whole") == RoundsWithoutTimes(run));
  }
}

TEST_CASE("a client that diverges takes nothing from the round before") {
  const TempFolder folder;
  const RunResult result =
      RunIn(folder / "run", With(SmallRegression(), {{"rounds", 9}, {"training.lr", 30}}));
  CHECK(result.summary.status == "diverged");
  CHECK_THAT(result.summary.reason, Catch::Contains("client"));
  const auto rounds = RoundsWithoutTimes(folder / "run");
  REQUIRE(static_cast<int64_t>(rounds.size()) == result.state.round + 1);
  CHECK(result.state.round >= 1);
  CHECK(rounds.back().contains("test_loss"));
}

TEST_CASE("a round without clients and a checkpoint after each round change no record") {
  const Json json = With(
      Stateful(6), {{"sampler", {{"name", "uniform"}, {"cohort", 5}}}, {"evaluation.every", 1}});
  const TempFolder folder;
  RunIn(folder / "plain", json);
  RunIn(folder / "saved", With(json, {{"output.checkpoint_every_s", 0}}));
  CHECK(RoundsWithoutTimes(folder / "plain") == RoundsWithoutTimes(folder / "saved"));
  WriteFileAtomically(folder / "cohorts.json", "[[0, 1], [], [2, 3], []]");
  const Json gaps =
      With(Stateful(4), {{"sampler", {{"name", "file"}, {"path", folder / "cohorts.json"}}}});
  RunIn(folder / "beside", gaps);
  RunIn(folder / "apart", With(gaps, {{"evaluation.clients", "cohort"}}));
  const auto beside = RoundsWithoutTimes(folder / "beside"),
             apart = RoundsWithoutTimes(folder / "apart");
  REQUIRE(beside.size() == 5);
  for (size_t i = 0; i < beside.size(); ++i) {
    CHECK(beside[i].at("round") == static_cast<int64_t>(i));
    CHECK(beside[i].at("test_loss") == apart[i].at("test_loss"));
  }
}

TEST_CASE("a finite model whose test loss is not ends the run for good, and its round stands") {
  for (const char* clients : {"none", "cohort"}) {
    for (const int rounds : {1, 3}) {
      CAPTURE(clients, rounds);
      const TempFolder folder;
      const Json json = With(
          SmallRegression(),
          {{"server_optimizer.lr", 1e37}, {"rounds", rounds}, {"evaluation.clients", clients}});
      for (const ExistingRun existing : {ExistingRun::kRefuse, ExistingRun::kResume}) {
        const RunResult result = RunIn(folder / "run", json, existing);
        CHECK(result.summary.status == "diverged");
        CHECK_THAT(result.summary.reason, Catch::Contains("round 1: the test loss is not finite"));
        CHECK(result.state.round == 1);
        const auto records = RoundsWithoutTimes(folder / "run");
        REQUIRE(records.size() == 2);
        CHECK(records.back().contains("train_loss"));
        CHECK(!records.back().contains("test_loss"));
      }
    }
  }
}

TEST_CASE("a run that was killed between a record and its checkpoint has every round once") {
  const TempFolder folder;
  RunIn(folder / "whole", Stateful(6));
  RunUntil(folder / "run", Stateful(6), 3);
  // The state that kill -9 leaves: rounds beyond the checkpoint, the last one cut short.
  std::ofstream(folder / "run/rounds.jsonl", std::ios::app) << R"({"round":4,"cohort":[1]})"
                                                            << "\n"
                                                            << R"({"rou)";
  RunIn(folder / "run", Stateful(6), ExistingRun::kResume);
  CHECK(RoundsWithoutTimes(folder / "whole") == RoundsWithoutTimes(folder / "run"));
}

TEST_CASE("while a resumed run goes on there is no summary and no final model") {
  const TempFolder folder;
  RunUntil(folder / "run", Stateful(6), 3);
  const std::string model = folder / "run/model.safetensors";
  const std::string summary = folder / "run/summary.json";
  CHECK(std::filesystem::exists(model));
  CHECK(std::filesystem::exists(summary));
  class Look : public RecordSink {
   public:
    explicit Look(std::vector<std::string> files) : files_(std::move(files)) {}
    void Round(const RoundRecord&) override {
      for (const std::string& file : files_) CHECK_FALSE(std::filesystem::exists(file));
    }

   private:
    std::vector<std::string> files_;
  } look({model, summary});
  RunIn(folder / "run", Stateful(6), ExistingRun::kResume, {&look});
  CHECK(std::filesystem::exists(model));
  CHECK(std::filesystem::exists(summary));
}

TEST_CASE("a run that was killed before its first checkpoint starts over") {
  const TempFolder folder;
  RunIn(folder / "whole", Stateful(3));
  RunUntil(folder / "run", Stateful(3), 1);
  std::filesystem::remove_all(folder / "run/checkpoint");
  RunIn(folder / "run", Stateful(3), ExistingRun::kResume);
  CHECK(RoundsWithoutTimes(folder / "whole") == RoundsWithoutTimes(folder / "run"));
}

TEST_CASE("rounds may grow") {
  const TempFolder folder;
  const RunResult whole = RunIn(folder / "whole", Stateful(8));
  RunIn(folder / "run", Stateful(5));
  const RunResult grown = RunIn(folder / "run", Stateful(8), ExistingRun::kResume);
  CHECK(SameBits(whole.state.parameters, grown.state.parameters));
}

TEST_CASE("a changed config is refused and every change named") {
  const TempFolder folder;
  RunIn(folder / "run", Stateful(3));
  const std::string path = folder / "run";
  const auto text = [&](const Json& json) {
    return ErrorOf<ConfigError>([&] { RunIn(path, json, ExistingRun::kResume); });
  };
  const std::string changed =
      "can't resume " + path +
      ": the config has changed (rounds may grow; free to change are runtime.workers, "
      "runtime.client_state_mb, output.checkpoint_every_s, output.tensorboard, output.dir, name)\n";
  CHECK(text(With(Stateful(3), {{"training.lr", 0.5}, {"seed", 9}})) ==
        changed + "  seed: was 1, is 9\n  training.lr: was 0.002, is 0.5");
  CHECK(text(Stateful(2)) == changed + "  rounds: was 3, is 2");
  CHECK(text(With(Stateful(3), {{"runtime.workers", 1},
                                {"runtime.client_state_mb", 1},
                                {"output.checkpoint_every_s", 0},
                                {"output.tensorboard", true},
                                {"output.dir", "elsewhere"},
                                {"name", "other"}}))
            .empty());
}

TEST_CASE("other data are refused though the config is the same") {
  const TempFolder folder;
  RunIn(folder / "run", Stateful(3));
  const std::string file = folder / "run/checkpoint/state.safetensors";
  std::string bytes = ReadFile(file);
  const size_t at = bytes.find("\"data\":\"") + 8;
  bytes[at] = bytes[at] == '0' ? '1' : '0';
  WriteFileAtomically(file, bytes);
  CHECK(ErrorOf<DataError>([&] { RunIn(folder / "run", Stateful(3), ExistingRun::kResume); }) ==
        file + ": was made with other data or another partition of them; start over with --force");
}

TEST_CASE("a file of cohorts may grow, but not change in the rounds that were run") {
  const TempFolder folder;
  const std::string file = folder / "cohorts.json";
  const auto json = [&](int rounds) {
    return With(Stateful(rounds), {{"sampler", {{"name", "file"}, {"path", file}}}});
  };
  WriteFileAtomically(file, "[[0, 1], [2, 3]]");
  RunIn(folder / "run", json(2));
  WriteFileAtomically(file, "[[0, 1], [2, 4], [5, 6]]");
  const std::string checkpoint = folder / "run/checkpoint/state.safetensors";
  CHECK(ErrorOf<DataError>([&] { RunIn(folder / "run", json(3), ExistingRun::kResume); }) ==
        checkpoint +
            ": was made when the file of sampler.path listed other cohorts for the rounds done; "
            "start over with --force");
  WriteFileAtomically(file, "[[1, 0], [2, 3], [5, 6]]");
  const RunResult grown = RunIn(folder / "run", json(3), ExistingRun::kResume);
  CHECK(SameBits(grown.state.parameters, RunIn(folder / "whole", json(3)).state.parameters));
}

TEST_CASE("a damaged checkpoint is refused, or the damage was in nothing that counts") {
  const TempFolder folder;
  RunIn(folder / "run", Stateful(2));
  const std::string file = folder / "run/checkpoint/state.safetensors";
  const std::string bytes = ReadFile(file);
  const InputHashes inputs{ReadSafetensors(file).metadata.at("data"),
                           [](int64_t) { return std::string(); }};
  const Experiment experiment(Stateful(2), "test.json");
  const auto load = [&] {
    ClientStore store({}, 0, folder / "clients.bin");
    return LoadCheckpoint(file, experiment.network(), 12, inputs, store);
  };
  const Checkpoint whole = load();
  Rng rng(5, {"damage"});
  int refused = 0;
  for (int i = 0; i < 500; ++i) {
    std::string damaged = bytes;
    if (i % 5 == 0)
      damaged.resize(rng.Below(bytes.size()));
    else
      damaged[rng.Below(bytes.size())] ^= static_cast<char>(1 + rng.Below(255));
    WriteFileAtomically(file, damaged);
    try {
      const Checkpoint loaded = load();
      CHECK(SameBits(loaded.state.parameters, whole.state.parameters));
      CHECK(loaded.state.round == whole.state.round);
      CHECK(loaded.progress.best_metrics == whole.progress.best_metrics);
    } catch (const DataError&) {
      ++refused;
    }
  }
  CHECK(refused > 450);  // some bytes are padding
}

TEST_CASE("missing rounds are told, not invented") {
  const TempFolder folder;
  RunIn(folder / "run", Stateful(3));
  const std::string file = folder / "run/rounds.jsonl";
  const std::string text = ReadFile(file);
  WriteFileAtomically(file, text.substr(0, text.find('\n') + 1));
  CHECK(ErrorOf<DataError>([&] { RunIn(folder / "run", Stateful(3), ExistingRun::kResume); }) ==
        file +
            " should hold rounds 0 to 3 of the run to resume, but its line 2 is missing or "
            "damaged; start over "
            "with --force");
}

TEST_CASE("a folder that holds a run is refused, and replaced only by force") {
  const TempFolder folder;
  const std::string path = folder / "run";
  RunIn(path, Stateful(3));
  const std::string before = ReadFile(path + "/rounds.jsonl");
  CHECK(ErrorOf<ConfigError>([&] { RunIn(path, Stateful(1)); }) ==
        path +
            " already holds a run; add --resume to go on with it, --force to replace it, or choose "
            "another folder "
            "with --out");
  CHECK(ReadFile(path + "/rounds.jsonl") == before);
  RunIn(path, Stateful(1), ExistingRun::kReplace);
  CHECK(RoundsWithoutTimes(path).size() == 2);
}

TEST_CASE("two runs can't share a folder at the same time") {
  const TempFolder folder;
  const std::string path = folder / "run";
  Experiment experiment(Stateful(1), "test.json");
  RunFolder first(path, ExistingRun::kResume, experiment.resolved());
  first.Lock();
  first.Begin(-1);
  RunFolder second(path, ExistingRun::kResume, experiment.resolved());
  CHECK(ErrorOf<ConfigError>([&] { second.Lock(); }) ==
        path + " is in use by another flsim process");
}

}  // namespace
}  // namespace flsim
