// The examples of docs/integrations.md that need nothing beside flsim, a shell and Python.
#include <catch2/catch.hpp>
#include <sstream>

#include "engine/core/json.h"
#include "tests/cli/program.h"

namespace flsim {
namespace {

/// What a shell command prints on standard output; it must succeed.
std::string Shell(const std::string& command) {
  std::FILE* pipe = popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string out;
  char buffer[4096];
  for (size_t n; (n = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) out.append(buffer, n);
  CHECK(pclose(pipe) == 0);
  return out;
}

TEST_CASE("the shell loop prints a value for each learning rate, and again without running") {
  const TempFolder folder;
  Write(folder, "c.json", R"({"dataset": "synthetic_regression", "rounds": 3})");
  const std::string loop = "examples=$PWD/docs/examples FLSIM=$PWD/flsim; export FLSIM; cd " +
                           folder.path().string() +
                           " && \"$examples\"/learning_rates.sh c.json final.test_loss 0.01 1e30";
  const std::string out = Shell(loop);
  const auto summary = [&] { return ReadFile(folder / "runs/lr-0.01/summary.json"); };
  const Json final = Json::parse(summary()).at("final");
  CHECK(out == "0.01 " + final.at("test_loss").dump() + "\n1e30 diverged\n");
  CHECK(Shell(loop) == out);
  CHECK(Json::parse(summary()).at("final") == final);
}

TEST_CASE("a follower sees every round once, of a run that is yet to start") {
  const TempFolder folder;
  const std::string config =
      Write(folder, "c.json", R"({"dataset": "synthetic_regression", "rounds": 20})");
  const std::string out = folder / "run";
  const std::string followed =
      Shell("./flsim --config " + config + " --out " + out +
            " --progress none & python3 docs/examples/follow_rounds.py " + out + " && wait");
  std::istringstream rounds(ReadFile(out + "/rounds.jsonl"));
  std::string expected;
  for (std::string line; std::getline(rounds, line);) {
    const Json record = Json::parse(line);
    expected += record.at("round").dump() + " " + record.at("test_loss").dump() + "\n";
  }
  CHECK(followed == expected);
}

}  // namespace
}  // namespace flsim
