#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <sstream>

#include "engine/core/json.h"
#include "tests/cli/program.h"

namespace flsim {
namespace {
namespace fs = std::filesystem;

/// A sweep over a small regression, with two learning rates; each round is a checkpoint.
std::string WriteSweep(const TempFolder& folder, int rounds, const Json& further = Json::object()) {
  Json json = further;
  json["base"] = {{"dataset", "synthetic_regression"},
                  {"rounds", rounds},
                  {"output", {{"checkpoint_every_s", 0}, {"clients", "none"}}}};
  json["grid"] = {{"training.lr", {0.001, 0.002}}};
  return Write(folder, "s.json", json.dump());
}

std::vector<std::string> Arguments(const std::string& config, const std::string& out,
                                   const std::vector<std::string>& further = {}) {
  std::vector<std::string> all = {"sweep", "--config", config, "--out", out, "--progress", "none"};
  all.insert(all.end(), further.begin(), further.end());
  return all;
}

/// A column of trials.csv, whose fields have no commas before it.
std::vector<std::string> Column(const std::string& out, const std::string& name) {
  std::istringstream text(ReadFile(out + "/trials.csv"));
  const auto fields = [](const std::string& line) {
    std::istringstream rest(line);
    std::vector<std::string> found;
    for (std::string field; std::getline(rest, field, ',');) found.push_back(field);
    return found;
  };
  std::string line;
  std::getline(text, line);
  const std::vector<std::string> columns = fields(line);
  const auto at =
      static_cast<size_t>(std::find(columns.begin(), columns.end(), name) - columns.begin());
  std::vector<std::string> values;
  while (std::getline(text, line)) values.push_back(fields(line).at(at));
  return values;
}

using Values = std::vector<std::string>;

size_t Lines(const std::string& file) {
  if (!fs::exists(file)) return 0;
  const std::string text = ReadFile(file);
  return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
}

TEST_CASE("a trial that fails ends the sweep with 3 once the others are done, and is tried again") {
  const TempFolder folder;
  const std::string config = WriteSweep(folder, 3), out = folder / "out";
  const std::string blocked = out + "/trial-0001/checkpoint";
  fs::create_directories(out + "/trial-0001");
  WriteFileAtomically(blocked, "not a folder");
  const ProgramResult failed = RunProgram(Arguments(config, out, {"--parallel", "1"}));
  CHECK(failed.exit_code == 3);
  CHECK(failed.err ==
        "flsim: 1 trial failed; see the column reason of trials.csv, and run the same command "
        "again to try them again\n");
  CHECK(Column(out, "status") == Values{"failed", "completed"});
  CHECK_THAT(Column(out, "reason").at(0), Catch::Contains(blocked));
  CHECK(Column(out, "reason").at(1).empty());

  fs::remove(blocked);
  CHECK(RunProgram(Arguments(config, out)).exit_code == 0);
  CHECK(Column(out, "status") == Values{"completed", "completed"});
  CHECK(Column(out, "reason") == Values{"", ""});
}

TEST_CASE("the sweeps in configs are valid, and validate spells their trials out") {
  for (const auto& [name, count] : {std::pair("sweep_quickstart", "24 trials: 8 points x 3 seeds"),
                                    {"study", "75 trials: 15 points x 5 seeds"}}) {
    const std::string config = std::string("configs/") + name + ".json";
    const ProgramResult result = RunProgram({"validate", "--config", config});
    CHECK(result.exit_code == 0);
    CHECK(result.out == config + " is valid\n" + count + "\n");
  }
  const Json trials = Json::parse(
      RunProgram({"validate", "--config", "configs/sweep_quickstart.json", "--resolved"}).out);
  CHECK(trials.size() == 24);
  CHECK(trials.at("trial-0024").at("strategy").at("name") == "scaffold");
  CHECK(trials.at("trial-0024").at("training").at("lr") == 0.02);
}

TEST_CASE("a sweep that makes no sense ends with 2 before anything is run") {
  const TempFolder folder;
  const std::string config = WriteSweep(folder, 3, {{"halving", {{"metric", "test_los"}}}});
  const ProgramResult result = RunProgram(Arguments(config, folder / "out"));
  CHECK(result.exit_code == 2);
  CHECK_THAT(result.err, Catch::StartsWith("flsim: " + config +
                                           " has 1 problem\n  halving.metric: must be one of "));
  CHECK(!fs::exists(folder / "out"));
}

TEST_CASE("--force clears neither other shards nor what --collect is to join") {
  const TempFolder folder;
  const std::string config = WriteSweep(folder, 3), out = folder / "out";
  REQUIRE(RunProgram(Arguments(config, out, {"--shard", "1/2"})).exit_code == 0);
  const ProgramResult forced = RunProgram(Arguments(config, out, {"--shard", "2/2", "--force"}));
  CHECK(forced.exit_code == 2);
  CHECK(forced.err ==
        "flsim: --force would clear the other shards, too; remove the folder before them\n");
  CHECK(fs::exists(out + "/trial-0001/model.safetensors"));
  CHECK(!fs::exists(out + "/trial-0002"));

  REQUIRE(RunProgram(Arguments(config, out, {"--shard", "2/2"})).exit_code == 0);
  CHECK(!fs::exists(out + "/trials.csv"));
  REQUIRE(RunProgram(Arguments(config, out, {"--collect"})).exit_code == 0);
  CHECK(Column(out, "status") == Values{"completed", "completed"});
  CHECK(RunProgram(Arguments(config, out, {"--collect", "--force"})).exit_code == 2);
  CHECK(Column(out, "status") == Values{"completed", "completed"});
}

TEST_CASE("a running sweep's folder is refused to a shard, to another sweep and to --force") {
  const TempFolder folder;
  const std::string config = WriteSweep(folder, 1000000);
  for (const std::string shard : {"1/1", "1/2"}) {
    CAPTURE(shard);
    const std::string out = folder / ("of-" + shard.substr(2));
    Program first(Arguments(config, out, {"--shard", shard}));
    while (first.Running() && Lines(out + "/trial-0001/rounds.jsonl") < 2) {
    }
    for (const Values& second : {Values{}, Values{"--force"}, Values{"--shard", "1/2"}}) {
      // One that is not refused would run for hours.
      const ProgramResult refused =
          Program(Arguments(config, out, second), [] { alarm(60); }).Wait();
      CHECK(refused.exit_code == 2);
      CHECK(refused.err == "flsim: " + out + " is in use by another flsim process\n");
    }
    REQUIRE(first.Running());
    CHECK(fs::exists(out + "/trial-0001/rounds.jsonl"));
    first.Signal(SIGINT);
    CHECK(first.Wait().exit_code == 130);
  }
}

TEST_CASE("kill -9 and Ctrl-C leave a sweep whose models are the same when it has gone on") {
  const TempFolder folder;
  const std::string config = WriteSweep(folder, 400, {{"repeat", 2}});
  const std::string whole = folder / "whole", out = folder / "out";
  REQUIRE(RunProgram(Arguments(config, whole)).exit_code == 0);
  int stops = 0;
  const std::vector<std::pair<std::string, int>> signals = {
      {"trial-0001", SIGKILL}, {"trial-0002", SIGINT}, {"trial-0003", SIGKILL}};
  for (const auto& [trial, signal] : signals) {
    const std::string rounds = out + "/" + trial + "/rounds.jsonl";
    const size_t before = Lines(rounds);
    Program program(Arguments(config, out, {"--parallel", "2"}));
    while (program.Running()) {
      if (Lines(rounds) < before + 30) continue;
      program.Signal(signal);
      ++stops;
      break;
    }
    const int code = program.Wait().exit_code;
    CHECK((code == 0 || code == (signal == SIGINT ? 130 : -1)));
  }
  REQUIRE(stops > 0);
  REQUIRE(RunProgram(Arguments(config, out)).exit_code == 0);
  const Values models = Column(whole, "model_sha256");
  REQUIRE(models.size() == 4);
  CHECK(models[0].size() == 64);
  CHECK(models[0] != models[1]);
  CHECK(Column(out, "model_sha256") == models);
  CHECK(Column(out, "status") == Column(whole, "status"));
}

TEST_CASE("trials that a full disk ends are failed, and go on when there is room") {
  const TempFolder folder;
  const std::string config = WriteSweep(folder, 200);
  const std::string whole = folder / "whole", out = folder / "out";
  REQUIRE(RunProgram(Arguments(config, whole)).exit_code == 0);
  // A limit on the size of files stands in for the full disk: the write fails in the same way.
  Program program(Arguments(config, out), [] {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{20000, 20000};
    setrlimit(RLIMIT_FSIZE, &limit);
  });
  const ProgramResult full = program.Wait();
  CHECK(full.exit_code == 3);
  CHECK(Column(out, "status") == Values{"failed", "failed"});
  for (const char* trial : {"trial-0001", "trial-0002"}) {
    CHECK_THAT(ReadFile(out + "/trials.csv"),
               Catch::Contains("can't write " + out + "/" + trial + "/rounds.jsonl"));
  }
  REQUIRE(RunProgram(Arguments(config, out)).exit_code == 0);
  CHECK(Column(out, "status") == Values{"completed", "completed"});
  CHECK(Column(out, "model_sha256") == Column(whole, "model_sha256"));
}

}  // namespace
}  // namespace flsim
