// flsim report, and flsim partition --html.
#include <catch2/catch.hpp>

#include "tests/cli/program.h"

namespace flsim {
namespace {

/// A run of some rounds in the folder `name`.
std::string RunIn(const TempFolder& folder, const std::string& name, int rounds) {
  const std::string config = Write(folder, "c.json", R"({"dataset": "synthetic_regression"})");
  const std::string out = folder / name;
  REQUIRE(RunProgram({"--config", config, "--out", out, "--progress", "none", "--set",
                      "rounds=" + std::to_string(rounds)})
              .exit_code == 0);
  return out;
}

bool Contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("a report goes into the folder that is named, or where --out says") {
  const TempFolder folder;
  const std::string run = RunIn(folder, "run", 3);
  const ProgramResult inside = RunProgram({"report", run});
  CHECK(inside.exit_code == 0);
  CHECK(inside.out.rfind("1 run reported in " + run + "/report.html (", 0) == 0);
  const std::string page = ReadFile(run + "/report.html");
  CHECK(page.rfind("<!DOCTYPE html>", 0) == 0);
  const ProgramResult outside =
      RunProgram({"report", run, "--out", folder / "x.html", "--figure", folder / "x.svg"});
  CHECK(outside.exit_code == 0);
  CHECK(ReadFile(folder / "x.html") == page);
  CHECK(Contains(ReadFile(folder / "x.svg"), ">test loss</text>"));
}

TEST_CASE("a figure alone is written without a page, of the metric that is asked for") {
  const TempFolder folder;
  const std::string run = RunIn(folder, "run", 3);
  const ProgramResult result =
      RunProgram({"report", run, "--figure", folder / "r2.svg", "--metric", "test_r2"});
  CHECK(result.out == "1 run reported in " + (folder / "r2.svg") + "\n");
  CHECK(Contains(ReadFile(folder / "r2.svg"), ">test r2</text>"));
  CHECK_FALSE(std::filesystem::exists(run + "/report.html"));
}

TEST_CASE("what can't be reported is refused, and nothing is written") {
  const TempFolder folder;
  const std::string run = RunIn(folder, "run", 1);
  const auto refused = [&](int code, const std::vector<std::string>& arguments) {
    std::vector<std::string> all = {"report"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const ProgramResult result = RunProgram(all);
    CHECK(result.exit_code == code);
    CHECK(result.out.empty());
    return result.err;
  };
  CHECK(refused(2, {run, "--out", run + "/config.json"}) ==
        "flsim: --out " + run + "/config.json: the file's name must end in .html\n");
  CHECK(refused(2, {run, "--figure", "f.pdf"}) ==
        "flsim: --figure f.pdf: the file's name must end in .svg\n");
  CHECK(Contains(refused(2, {run, "--metric", "accuracy"}),
                 "flsim: --metric accuracy: no run has recorded it; recorded are test_loss, "));
  CHECK(refused(3, {folder / "none"}) ==
        "flsim: " + (folder / "none") +
            " names no run: it should be a run folder, a sweep's folder with trials, or a glob of "
            "such\n");
  CHECK(Contains(refused(3, {run, "--out", folder / "no/x.html"}), "does not exist"));
  CHECK_FALSE(std::filesystem::exists(run + "/report.html"));
}

TEST_CASE("--watch follows a run to its end; its last page no longer loads itself") {
  const TempFolder folder;
  const std::string config =
      Write(folder, "c.json", R"({"dataset": "synthetic_regression", "rounds": 1000000})");
  const std::string run = folder / "run", page = folder / "p.html";
  Program running({"--config", config, "--out", run, "--progress", "none"});
  while (running.Running() && !std::filesystem::exists(run + "/rounds.jsonl")) {
  }
  Program watching({"report", run, "--watch", "--out", page});
  while (watching.Running() && !std::filesystem::exists(page)) {
  }
  CHECK(Contains(ReadFile(page), "\"live\":true"));
  running.Signal(SIGINT);
  CHECK(running.Wait().exit_code == 130);
  CHECK(watching.Wait().exit_code == 0);
  CHECK(Contains(ReadFile(page), "\"live\":false"));
  CHECK(Contains(ReadFile(page), "\"status\":\"interrupted\""));
}

TEST_CASE("Ctrl-C ends a watch with 130, and the page is whole") {
  const TempFolder folder;
  const std::string run = RunIn(folder, "run", 1), page = folder / "p.html";
  std::filesystem::remove(run + "/summary.json");
  Program watching({"report", run, "--watch", "--out", page});
  while (watching.Running() && !std::filesystem::exists(page)) {
  }
  watching.Signal(SIGINT);
  const ProgramResult result = watching.Wait();
  CHECK(result.exit_code == 130);
  CHECK(result.err == "flsim: stopped watching; the report is of the runs as they are now\n");
  CHECK(Contains(ReadFile(page), "\"live\":false"));
}

TEST_CASE("a partition is drawn before any training") {
  const TempFolder folder;
  const std::string config = Write(folder, "c.json",
                                   R"({"name": "mine", "dataset": "synthetic_regression",
    "partition": {"name": "dirichlet", "clients": 20}})");
  const std::string page = folder / "p.html";
  const ProgramResult result = RunProgram({"partition", "--config", config, "--html", page});
  CHECK(result.exit_code == 0);
  CHECK(Contains(result.out, "drawn in " + page + "\n"));
  CHECK(Contains(ReadFile(page), "\"title\":\"Partition of mine\""));
  CHECK(RunProgram({"partition", "--config", config, "--html", folder / "p.svg"}).err ==
        "flsim: --html " + (folder / "p.svg") + ": the file's name must end in .html\n");
}

}  // namespace
}  // namespace flsim
