// flsim compare as a user calls it.
#include <catch2/catch.hpp>

#include "tests/cli/program.h"
#include "tests/experiment/run_json.h"

namespace flsim {
namespace {

const char* const kRegression = R"({"dataset": "synthetic_regression", "rounds": 3})";

/// Two learning rates, two seeds each, in FOLDER/LR-SEED.
void RunSome(const TempFolder& folder) {
  const std::string config = Write(folder, "small.json", kRegression);
  for (const char* lr : {"0.01", "0.02"}) {
    for (const char* seed : {"1", "2"}) {
      REQUIRE(RunProgram({"--config", config, "--set", std::string("training.lr=") + lr, "--set",
                          std::string("seed=") + seed, "--out",
                          folder / (std::string(lr) + "-" + seed), "--progress", "none"})
                  .exit_code == 0);
    }
  }
}

TEST_CASE("compare prints tables of runs, pairs their seeds, and writes files by their ending") {
  const TempFolder folder;
  RunSome(folder);
  const ProgramResult text = RunProgram({"compare", folder / "0.0*"});
  CHECK(text.exit_code == 0);
  CHECK(text.err.empty());
  CHECK(text.out.find("\n  training.lr=0.02  ") != std::string::npos);
  CHECK(text.out.find("paired, 2") != std::string::npos);
  CHECK(text.out.find("Paired runs share partition, cohorts, initial model.\n") !=
        std::string::npos);
  CHECK(text.out == RunProgram({"compare", folder / "0.0*"}).out);

  const ProgramResult file =
      RunProgram({"compare", folder / "0.0*", "--out", folder / "table.csv"});
  CHECK(file.exit_code == 0);
  CHECK(file.out.empty());
  CHECK(file.err.find("warning: fewer than 5 seeds") == 0);
  CHECK(ReadFile(folder / "table.csv").rfind("group,baseline,metric,seeds,", 0) == 0);
  for (const auto& [format, start] : {std::pair{"latex", "% needs \\usepackage{booktabs}\n"},
                                      {"markdown", "**test_loss (lower is better)"}}) {
    const ProgramResult other = RunProgram({"compare", folder / "0.0*", "--format", format});
    CHECK(other.exit_code == 0);
    CHECK(other.out.rfind(start, 0) == 0);
  }
}

TEST_CASE("compare refuses what is no run and flags that make no sense") {
  const TempFolder folder;
  const ProgramResult none = RunProgram({"compare", folder / "none"});
  CHECK(none.exit_code == 3);
  CHECK(none.err == "flsim: " + folder / "none" +
                        " names no run: it should be a run folder, a sweep's folder with trials, "
                        "or a glob of such\n");
  RunSome(folder);
  const ProgramResult metric = RunProgram({"compare", folder / "0.01-1", "--metric", "test_lss"});
  CHECK(metric.exit_code == 2);
  CHECK(metric.err.rfind("flsim: --metric test_lss: no run has recorded it (recorded: test_loss, ",
                         0) == 0);
  CHECK(RunProgram({"compare", folder / "0.01-1", "--rounds", "-1"}).err ==
        "flsim: --rounds must be at least 0, got -1\n");
  CHECK(RunProgram({"compare", folder / "0.01-1", "--target", "nan"}).err ==
        "flsim: --target must be a finite number, got nan\n");
  CHECK(RunProgram({"compare"}).exit_code == 2);
}

}  // namespace
}  // namespace flsim
