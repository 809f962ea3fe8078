// What the program says beside its results, and about replays.
#include <algorithm>
#include <catch2/catch.hpp>
#include <sstream>

#include "tests/cli/program.h"

namespace flsim {
namespace {

TEST_CASE("replay shows what a run shows, and needs --force to replace") {
  const TempFolder folder;
  const std::string config = Write(folder, "c.json", R"({"dataset": "synthetic_regression",
    "rounds": 2, "output": {"record_updates": true}})");
  const std::string run = folder / "run", out = folder / "out";
  REQUIRE(RunProgram({"--config", config, "--out", run, "--progress", "none"}).exit_code == 0);
  const auto replay = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"replay", "--config", config, "--updates", run, "--out", out});
    return RunProgram(more);
  };
  const ProgramResult shown = replay({});
  CHECK(shown.exit_code == 0);
  CHECK(shown.err.find("replay: cohorts and clients' models are the recorded ones") !=
        std::string::npos);
  CHECK(shown.err.find("round 2/2") != std::string::npos);
  CHECK(shown.out.find("  final       test R2 ") != std::string::npos);
  CHECK(shown.out.find("training at") == std::string::npos);
  CHECK(replay({}).exit_code == 2);
  const ProgramResult quiet = replay({"--force", "--progress", "none"});
  CHECK(quiet.exit_code == 0);
  CHECK(quiet.out + quiet.err == "");
  const ProgramResult other = replay({"--force", "--set", "seed=7"});
  CHECK(other.exit_code == 2);
  CHECK(other.err.find("\n  seed: was 1, is 7\n") != std::string::npos);
}

TEST_CASE("skipped rounds, a resumption of nothing and a doubtful setting are said") {
  const TempFolder folder;
  Write(folder, "cohorts.json", "[[0], [0, 1, 2, 3, 4, 5, 6], [1]]");
  const std::string config = Write(folder, "c.json",
                                   R"({"dataset": "synthetic_regression",
    "rounds": 3, "aggregator": "krum", "sampler": {"name": "file", "path": ")" +
                                       (folder / "cohorts.json") + R"("}})");
  const std::string out = folder / "run";
  const ProgramResult skipped = RunProgram({"--config", config, "--out", out, "--resume"});
  CHECK(skipped.exit_code == 0);
  CHECK(skipped.out.find("2 of 3 rounds were skipped: too few clients for krum\n") !=
        std::string::npos);
  const std::string afresh = " holds no checkpoint to resume from";
  CHECK(skipped.err.find(out + afresh) != std::string::npos);
  const ProgramResult resumed = RunProgram({"--config", config, "--out", out, "--resume"});
  CHECK(resumed.exit_code == 0);
  CHECK(resumed.err.find(afresh) == std::string::npos);

  const std::string personal = Write(folder, "p.json", R"({"dataset": "synthetic_regression",
    "rounds": 1, "strategy": "ditto", "evaluation": {"held_out": 0}})");
  const std::string warning = "warning: evaluation.held_out is 0: ";
  const ProgramResult validated = RunProgram({"validate", "--config", personal});
  CHECK(validated.out.find(warning) != std::string::npos);
  const ProgramResult run = RunProgram({"--config", personal, "--out", folder / "p"});
  CHECK(run.err.find(warning) != std::string::npos);
}

TEST_CASE("a replay can't be resumed, and is left as it is") {
  const TempFolder folder;
  const std::string config = Write(folder, "c.json", R"({"dataset": "synthetic_regression",
    "rounds": 2, "output": {"record_updates": true}})");
  const std::string run = folder / "run", out = folder / "out";
  REQUIRE(RunProgram({"--config", config, "--out", run, "--progress", "none"}).exit_code == 0);
  REQUIRE(RunProgram(
              {"replay", "--config", config, "--updates", run, "--out", out, "--progress", "none"})
              .exit_code == 0);
  const std::string rounds = ReadFile(out + "/rounds.jsonl");
  const ProgramResult resumed = RunProgram({"--config", config, "--out", out, "--resume"});
  CHECK(resumed.exit_code == 2);
  CHECK_THAT(resumed.err,
             Catch::EndsWith("flsim: can't resume " + out +
                             ": it holds a replay, which has no checkpoint; replay anew with flsim "
                             "replay --force, or choose another folder with --out\n"));
  CHECK(ReadFile(out + "/rounds.jsonl") == rounds);
  CHECK(RunProgram({"--config", config, "--out", run, "--resume"}).exit_code == 0);
}

/// The lines of the closing chart between its axes, the labels cut off.
std::vector<std::string> ChartRows(const std::string& out) {
  std::istringstream lines(out);
  std::vector<std::string> rows;
  for (std::string line; std::getline(lines, line);) {
    const size_t axis = line.find(" |");
    if (axis != std::string::npos) rows.push_back(line.substr(axis + 2));
  }
  return rows;
}

TEST_CASE("the closing chart gives every round the same room and each evaluated one a point") {
  const TempFolder folder;
  const std::string config = Write(folder, "c.json", R"({"dataset": "synthetic_regression",
    "rounds": 25, "evaluation": {"every": 10}})");
  const ProgramResult run = RunProgram({"--config", config, "--out", folder / "run"});
  const std::vector<std::string> rows = ChartRows(run.out);
  REQUIRE(rows.size() == 8);
  for (size_t column = 0; column <= 25; ++column) {
    CAPTURE(column);
    const auto points = std::count_if(
        rows.begin(), rows.end(), [&](const std::string& row) { return row.at(column) == '*'; });
    CHECK(points == (column % 10 == 0 || column == 25 ? 1 : 0));
  }
  CHECK_THAT(run.out, Catch::Contains(" +" + std::string(26, '-') + "\n"));
}

TEST_CASE("the closing chart of a resumed run is that of the whole run") {
  const TempFolder folder;
  const std::string config =
      Write(folder, "c.json", R"({"dataset": "synthetic_regression", "rounds": 90})");
  const auto run = [&](const std::string& name, const std::string& rounds) {
    return RunProgram(
        {"--config", config, "--out", folder / name, "--resume", "--set", "rounds=" + rounds});
  };
  const std::vector<std::string> whole = ChartRows(run("whole", "90").out);
  REQUIRE(whole.size() == 8);
  CHECK(whole.front().size() == 60);
  CHECK(ChartRows(run("parts", "30").out) != whole);
  CHECK(ChartRows(run("parts", "90").out) == whole);
  CHECK(ChartRows(run("parts", "90").out) == whole);  // nothing was left to do
}

}  // namespace
}  // namespace flsim
