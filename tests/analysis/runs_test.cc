#include "engine/analysis/runs.h"

#include <catch2/catch.hpp>

#include "engine/core/error.h"
#include "tests/analysis/made_runs.h"

namespace flsim {
namespace {

std::vector<std::string> Labels(const std::vector<RecordedRun>& runs) {
  std::vector<std::string> labels;
  for (const RunGroup& group : GroupRuns(runs)) labels.push_back(group.label);
  return labels;
}

TEST_CASE("runs are found by folder, by glob and by a sweep's folder, each once") {
  const TempFolder folder;
  Made(folder, "a", {{0.1}});
  Made(folder, "b", {{0.1}, 2});
  Made(folder, "sweep/trial-0002", {{0.1}, 4});
  Made(folder, "sweep/trial-0001", {{0.1}, 3});
  WriteFileAtomically(folder / "sweep/sweep.json", "{}");
  std::filesystem::create_directories(folder / "sweep/trial-0003");  // has not begun
  WriteFileAtomically(folder / "notes.txt", "no run");
  std::vector<uint64_t> seeds;
  for (const RecordedRun& run : ReadRuns({folder / "b", folder / "*", folder / "sweep"}))
    seeds.push_back(run.seed());
  CHECK(seeds == std::vector<uint64_t>{2, 1, 3, 4});
}

TEST_CASE("runs that differ in seed, name, output or runtime alone are one group") {
  const TempFolder folder;
  Made(folder, "a", {{0.1}, 2});
  Made(folder, "b", {{0.1}, 1, {{"output.dir", "/x"}, {"runtime.workers", 7}}});
  Made(folder, "c", {{0.1}, 1, {{"strategy", {{"name", "fedprox"}, {"mu", 0.1}}}}});
  Made(folder, "d", {{0.1}, 1, {{"strategy", {{"name", "fedprox"}, {"mu", 0.2}}}}});
  const auto runs = ReadRuns({folder / "*"});
  const auto groups = GroupRuns(runs);
  REQUIRE(groups.size() == 3);
  REQUIRE(groups[0].runs.size() == 2);
  CHECK(groups[0].runs[0]->seed() == 1);
  CHECK(Labels(runs) == std::vector<std::string>{"strategy=fedavg",
                                                 "strategy=fedprox, strategy.mu=0.1",
                                                 "strategy=fedprox, strategy.mu=0.2"});
}

TEST_CASE("runs are chosen by their settings, spelled as labels spell them") {
  const TempFolder folder;
  Made(folder, "a", {{0.1}, 1, {{"training.lr", 0.1}}});
  Made(folder, "b", {{0.1}, 2, {{"training.lr", 0.1}, {"strategy.name", "fedprox"}}});
  Made(folder, "c", {{0.1}, 3, {{"training.lr", 1}, {"strategy.name", "fedprox"}}});
  const auto seeds = [&](const std::vector<std::string>& settings) {
    std::vector<uint64_t> seeds;
    for (const RecordedRun& run : ReadRuns({folder / "*"}, settings)) seeds.push_back(run.seed());
    return seeds;
  };
  CHECK(seeds({"training.lr=0.10"}) == std::vector<uint64_t>{1, 2});
  CHECK(seeds({"training.lr=1.0"}) == std::vector<uint64_t>{3});
  CHECK(seeds({"strategy=fedprox"}) == std::vector<uint64_t>{2, 3});
  CHECK(seeds({"strategy=fedprox", "training.lr=0.1"}) == std::vector<uint64_t>{2});
  CHECK(seeds({"seed=3"}) == std::vector<uint64_t>{3});
  const auto refusal = [&](const std::string& setting) {
    return ErrorOf<ConfigError>([&] { seeds({setting}); });
  };
  CHECK(refusal("strategy=fedavgm") ==
        "--where strategy=fedavgm: runs have strategy fedavg, fedprox");
  CHECK(refusal("absent=null") == "--where absent=null: no run has a setting absent");
  for (const std::string typo : {"traning.lr", "lr"}) {
    CHECK(refusal(typo + "=1") ==
          "--where " + typo + "=1: no run has a setting " + typo + "; did you mean training.lr?");
  }
  CHECK(refusal("strategy") == "--where strategy: expected KEY=VALUE, such as strategy=fedavg");
}

TEST_CASE("a line of rounds that is being written is left out, and the run is unfinished") {
  const TempFolder folder;
  const std::string path = Made(folder, "a", {{0.1, 0.2}, 1, {}, "", 5});
  WriteFileAtomically(path + "/rounds.jsonl", ReadFile(path + "/rounds.jsonl") + "{\"round\":2,");
  const RecordedRun run = ReadRun(path);
  CHECK(run.status() == "unfinished");
  CHECK(run.last_round() == 1);
  CHECK(run.data_hash.empty());
  CHECK(ReadRun(Made(folder, "b", {{0.1}, 1, {}, "completed", -1, "abc"})).data_hash == "abc");
}

TEST_CASE("metrics are known by name, with the direction that is better") {
  const TempFolder folder;
  const std::string path = Made(folder, "a", {{0.1}});
  WriteFileAtomically(path + "/rounds.jsonl",
                      "{\"round\":0,\"test_accuracy\":0.1,\"client_accuracy\":{\"mean\":0.2}}\n");
  const auto runs = ReadRuns({path});
  CHECK(MetricNames(runs) == std::vector<std::string>{"test_accuracy", "client_accuracy.mean"});
  CHECK(Series(runs[0], "client_accuracy.mean").at(0).second == 0.2);
  CHECK(Series(runs[0], "client_accuracy").empty());
  CHECK(Series(runs[0], "test_accuracy.mean").empty());
  for (const char* metric : {"test_accuracy", "client_accuracy.p5", "client_accuracy.worst_tenth",
                             "test_r2", "client_loss.jain"})
    CHECK(HigherIsBetter(metric));
  for (const char* metric :
       {"test_loss", "client_loss.p95", "client_accuracy.std", "client_accuracy.gini", "wall_s"})
    CHECK_FALSE(HigherIsBetter(metric));
}

TEST_CASE("damaged files are told with what is wrong") {
  const TempFolder folder;
  const std::string path = Made(folder, "a", {{0.1, 0.2}});
  const auto with = [&](const std::string& file, const std::string& text) {
    const std::string before = ReadFile(path + file);
    WriteFileAtomically(path + file, text);
    const std::string error = ErrorOf<DataError>([&] { ReadRun(path); });
    WriteFileAtomically(path + file, before);
    return error;
  };
  CHECK(with("/config.json", R"({"seed": "1"})") ==
        path + "/config.json has seed \"1\", expected a whole number; the file is damaged");
  CHECK(with("/summary.json", R"({"status": 3})") ==
        path + "/summary.json has status 3, expected a string; the file is damaged");
  CHECK(with("/rounds.jsonl", "{\"round\":0}\n[]\n") ==
        path + "/rounds.jsonl, line 2, is not a JSON object; the file is damaged");
  CHECK(with("/rounds.jsonl", "{\"rounds\":0}\n") ==
        path + "/rounds.jsonl, line 1, has no round; the file is damaged");
}

}  // namespace
}  // namespace flsim
