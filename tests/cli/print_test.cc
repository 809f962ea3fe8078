// --print: values of the summary for scripts.
#include <catch2/catch.hpp>
#include <filesystem>

#include "engine/core/json.h"
#include "tests/cli/program.h"

namespace flsim {
namespace {

const char* const kRegression = R"({"dataset": "synthetic_regression", "rounds": 3})";

TEST_CASE("--print prints its values alone, each on a line, and again when nothing is left to do") {
  const TempFolder folder;
  const std::string config = Write(folder, "c.json", kRegression), out = folder / "run";
  const auto run = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"--config", config, "--out", out});
    return RunProgram(more);
  };
  const ProgramResult first = run({"--print", "final.test_loss", "--print", "status"});
  CHECK(first.exit_code == 0);
  const Json summary = ReadJsonFile(out + "/summary.json");
  const std::string loss = summary.at("final").at("test_loss").dump();
  CHECK(first.out == loss + "\ncompleted\n");
  CHECK(first.err.find("round 3/3") != std::string::npos);
  const ProgramResult again = run({"--resume", "--print", "final.test_loss", "--progress", "none"});
  CHECK(again.exit_code == 0);
  CHECK(again.out == loss + "\n");
  CHECK(again.err.empty());
  CHECK(run({"--resume", "--print", "final"}).out == summary.at("final").dump() + "\n");
}

TEST_CASE("a value that the summary can't have is refused before the run") {
  const TempFolder folder;
  const std::string config = Write(folder, "c.json", kRegression), out = folder / "run";
  const auto refusal = [&](const std::string& path) {
    const ProgramResult result =
        RunProgram({"--config", config, "--out", out, "--print", "status", "--print", path});
    CHECK(result.exit_code == 2);
    CHECK(result.out.empty());
    CHECK_FALSE(std::filesystem::exists(out));
    return result.err;
  };
  const auto check = [&](const std::string& path, const std::string& nearest) {
    const std::string text = refusal(path);
    CHECK_THAT(text, Catch::StartsWith("flsim: --print " + path +
                                       ": the summary of this run has no such value; known: "
                                       "status, reason, stopped, final.round, final.train_loss, "
                                       "final.test_loss, final.test_mse, final.test_r2, "));
    CHECK_THAT(text, Catch::EndsWith("; did you mean '" + nearest + "'?\n"));
  };
  check("final.test_accuracy", "final.test_r2");
  check("final.test_loss.x", "final.test_loss");
  check("model_sha", "model_sha256");
  CHECK_THAT(refusal("xyz"), !Catch::Contains("did you mean"));
}

TEST_CASE("a value that only the run's end shows to be missing is refused then") {
  const TempFolder folder;
  const std::string config = Write(folder, "c.json", kRegression), out = folder / "run";
  const ProgramResult result = RunProgram({"--config", config, "--out", out, "--progress", "none",
                                           "--set", "rounds=0", "--print", "final.train_loss"});
  CHECK(result.exit_code == 2);
  CHECK(result.out.empty());
  CHECK(result.err.rfind("flsim: --print final.train_loss: " + out +
                             "/summary.json has no such value; known: status, final.round, "
                             "final.test_loss, ",
                         0) == 0);
}

TEST_CASE("a run that does not end well prints nothing but its error") {
  const TempFolder folder;
  const std::string config = Write(folder, "c.json", kRegression);
  const ProgramResult result = RunProgram({"--config", config, "--out", folder / "run", "--set",
                                           "training.lr=1e30", "--print", "final.test_loss"});
  CHECK(result.exit_code == 4);
  CHECK(result.out.empty());
}

}  // namespace
}  // namespace flsim
