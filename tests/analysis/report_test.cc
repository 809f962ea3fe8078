#include "engine/analysis/report.h"

#include <catch2/catch.hpp>

#include "engine/analysis/page.h"
#include "engine/analysis/participation.h"
#include "tests/analysis/run_folders.h"

namespace flsim {
namespace {

/// The JSON block of a page, as a browser finds it.
std::string DataBlock(const std::string& page) {
  const std::string open = "<script type=\"application/json\" id=\"data\">";
  const size_t begin = page.find(open) + open.size();
  return page.substr(begin, page.find("</script>", begin) - begin);
}

TEST_CASE("a report holds groups with their curves, runs and what differs between configs") {
  const TempFolder folder;
  const Json data = ReportData(ThreeRuns(folder), "test_accuracy", /*live=*/false);
  CHECK(data.at("title") == "made: 3 runs");
  REQUIRE(data.at("groups").size() == 2);
  const Json& fedavg = data.at("groups")[0];
  CHECK(fedavg.at("label") == "strategy=fedavg");
  CHECK(fedavg.at("runs") == Json({0, 1}));
  const Json& curve = fedavg.at("curves").at("test_accuracy");
  CHECK(curve.at("mean") == Json({0.1, 0.4, 0.45}));
  CHECK(curve.at("min") == Json({0.1, 0.3, 0.4}));
  CHECK(curve.at("max") == Json({0.1, 0.5, 0.5}));
  CHECK(curve.at("runs") == Json({2, 2, 2}));
  CHECK(curve.at("each") == Json({{0.1, 0.3, 0.5}, {0.1, 0.5, 0.4}}));
  const Json& grid = fedavg.at("grids").at(curve.at("grid").get<size_t>());
  CHECK(grid.at("round") == Json({0, 1, 2}));
  CHECK(grid.at("seconds") == Json({0.0, 2.0, 4.0}));
  CHECK(grid.at("bytes") == Json({0.0, 40.0, 80.0}));
  // One run has no spread.
  CHECK(data.at("groups")[1].at("curves").at("test_accuracy").size() == 2);

  const Json& b = data.at("runs")[1];
  CHECK(b.at("name") == "b");
  CHECK(b.at("seed") == 2);
  CHECK(b.at("status") == "completed");
  CHECK(b.at("final") == Json({2, 0.4}));
  CHECK(b.at("best") == Json({1, 0.5}));
  CHECK(b.at("training_s") == 4.0);
  CHECK(b.at("bytes_up") == 60.0);
  CHECK(b.at("machine").at("cores") == 2);

  Json differing = Json::array();
  for (const Json& setting : data.at("settings"))
    if (setting.contains("values")) differing.push_back(setting);
  REQUIRE(differing.size() == 1);
  CHECK(differing[0].at("key") == "strategy.name");
  CHECK(differing[0].at("values") == Json({{{"is", "fedavg"}}, {{"is", "fedprox"}}}));
}

TEST_CASE("a run in progress is reported as far as it got") {
  const TempFolder folder;
  WriteRun(folder, "a", {"fedavg", 1, {0.1, 0.3}, ""});
  const Json data = ReportData(ReadRuns({folder / "a"}), "test_accuracy", /*live=*/true);
  CHECK(data.at("live") == true);
  CHECK(data.at("title") == "a");
  CHECK(data.at("runs")[0].at("status") == "unfinished");
  CHECK(data.at("runs")[0].at("rounds") == 1);
  CHECK(data.at("runs")[0].at("final") == Json({1, 0.3}));
  CHECK(data.at("groups")[0].at("label") == "a");
}

TEST_CASE("a long run makes a report of bounded size that says what it left out") {
  const TempFolder folder;
  WriteRun(folder, "a", {"fedavg", 1, std::vector<double>(20000, 0.5)});
  const Json data = ReportData(ReadRuns({folder / "a"}), "test_accuracy", false);
  CHECK(data.at("groups")[0].at("curves").at("test_accuracy").at("mean").size() <= 1000);
  REQUIRE(data.at("notes").size() == 1);
  CHECK(data.at("notes")[0] ==
        "Curves show about 1000 of up to 20000 rounds, evenly spread; every run's first, best and "
        "last are among them.");
  CHECK(Page(data).size() < 1000000);
}

TEST_CASE("who took part is counted by client and round, once for runs with the same cohorts") {
  const TempFolder folder;
  const std::vector<RecordedRun> runs = ThreeRuns(folder);
  CHECK(CohortsHash(runs[0]) == CohortsHash(runs[1]));
  const Json data = ReportData(runs, "test_accuracy", false);
  REQUIRE(data.at("participation").size() == 1);
  const Json& cohorts = data.at("participation")[0];
  CHECK(cohorts.at("runs") == Json({0, 1, 2}));
  CHECK(cohorts.at("clients") == 5);
  CHECK(cohorts.at("rounds") == 2);
  CHECK(cohorts.at("cells") == Json({{1, 1, 2, 1}, {2, 1, 3, 1}}));  // [client, times, ...]
  CHECK(cohorts.at("times") == Json({{0, 2}, {1, 2}, {2, 1}}));
  CHECK(cohorts.at("least") == 0);
  CHECK(cohorts.at("median") == 1);
  CHECK(cohorts.at("most") == 2);
}

TEST_CASE("cohorts of many clients and rounds are counted in bins") {
  RecordedRun run;
  run.config = {{"partition", {{"clients", 3000}}}};
  run.rounds.push_back({{"round", 0}});
  for (int64_t r = 1; r <= 1000; ++r) run.rounds.push_back({{"round", r}, {"cohort", {0, 2999}}});
  const Json json = ParticipationJson(run);
  CHECK(json.at("rows") == 1000);
  CHECK(json.at("columns") == 500);
  for (const Json& column : json.at("cells")) REQUIRE(column == Json({0, 2, 999, 2}));
  CHECK(json.at("times_width") == 11);
  CHECK(json.at("times") == Json({{0, 2998}, {990, 2}}));
}

TEST_CASE("clients and partitions of the runs' tables come into the report") {
  const TempFolder folder;
  ThreeRuns(folder);
  for (const char* run : {"a", "b"}) {
    WriteFileAtomically(folder / (std::string(run) + "/clients.csv"),
                        "client,examples,loss,accuracy\n0,5,1,0.5\n1,5,2,0.25\n");
    WriteFileAtomically(folder / (std::string(run) + "/partition.csv"),
                        "client,examples,x,y\n0,5,5,0\n1,5,0,5\n");
  }
  const Json data = ReportData(ReadRuns({folder / "?"}), "test_accuracy", false);
  CHECK(data.at("clients").at("of") == "accuracy");
  REQUIRE(data.at("clients").at("groups").size() == 1);
  CHECK(data.at("clients").at("groups")[0].at("values") == Json({0.25, 0.25, 0.5, 0.5}));
  REQUIRE(data.at("partitions").size() == 1);
  CHECK(data.at("partitions")[0].at("runs") == Json({0, 1}));
  CHECK(data.at("partitions")[0].at("counts") == Json({{5, 0}, {0, 5}}));
  CHECK(data.at("partitions")[0].at("measures").at("label_distance") == 0.5);
}

TEST_CASE("names and configs that look like markup stay text") {
  const TempFolder folder;
  const std::string evil = "</script><script>alert(1)</script><!--&\"'";
  WriteRun(folder, "a <b>&", {evil, 1, {0.1, 0.2}});
  const Json data = ReportData(ReadRuns({folder / "a*"}), "test_accuracy", false);
  const std::string page = Page(data);
  const std::string block = DataBlock(page);
  CHECK(block.find_first_of("<>&") == std::string::npos);
  CHECK(Json::parse(block) == data);  // and nothing is lost
  CHECK(page.find("alert(1)</script>") == std::string::npos);
  CHECK(page.find("<title>a &lt;b&gt;&amp;</title>") != std::string::npos);
  CHECK(page.find("<h1>a &lt;b&gt;&amp;</h1>") != std::string::npos);
}

TEST_CASE("what is not UTF-8 is replaced") {
  CHECK(EscapedJson(Json("a\xff")) == "\"a\xEF\xBF\xBD\"");
  CHECK(EscapedText("\xff<\x01>") == "\xEF\xBF\xBD&lt; &gt;");
}

TEST_CASE("a page is complete: it refers to nothing outside, and keeps the licence it needs") {
  const std::string page = Page({{"title", "t"}});
  for (const char* outside : {"src=", "<link", "@import", "url("})
    CHECK(page.substr(0, page.find("id=\"data\"")).find(outside) == std::string::npos);
  CHECK(page.find("default-src 'none'") != std::string::npos);
  CHECK(page.find("Permission is hereby granted, free of charge") != std::string::npos);
  CHECK(page.find("Chart.js v3") != std::string::npos);
  CHECK(page.find("{{") == page.find("{{", page.find("id=\"data\"")));
}

TEST_CASE("a partition has a page of its own") {
  PartitionTable table;
  table.labels = {"x", "y"};
  table.examples = {2, 1};
  table.counts = {1, 1, 0, 1};
  const Json config = {{"name", "mine"},
                       {"seed", 7},
                       {"rounds", 3},
                       {"partition", {{"name", "iid"}, {"clients", 2}}}};
  const Json data = PartitionData(config, table, MeasureTable(table));
  CHECK(data.at("title") == "Partition of mine");
  CHECK(data.at("partitions")[0].at("counts") == Json({{1, 0}, {1, 1}}));
  CHECK(data.at("settings") == Json({{{"key", "seed"}, {"value", 7}},
                                     {{"key", "partition.name"}, {"value", "iid"}},
                                     {{"key", "partition.clients"}, {"value", 2}}}));
}

}  // namespace
}  // namespace flsim
