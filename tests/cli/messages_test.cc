// What the program says beside its results, and about replays.
#include <catch2/catch.hpp>

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

}  // namespace
}  // namespace flsim
