// Runs of one seed draw the same numbers for the same purpose, whatever their strategy.
#include <catch2/catch.hpp>

#include "engine/analysis/comparison.h"
#include "tests/experiment/run_json.h"

namespace flsim {
namespace {

/// One run of a strategy for each seed, into FOLDER/NAME-SEED.
void RunSeeds(const TempFolder& folder, const std::string& name, const Json& strategy) {
  for (int seed = 1; seed <= 3; ++seed) {
    RunIn(
        folder / (name + "-" + std::to_string(seed)),
        With(SmallRegression(), {{"strategy", strategy}, {"seed", seed}, {"training.epochs", 2}}));
  }
}

TEST_CASE("two strategies of one seed share data, partition, cohorts and the initial model") {
  const TempFolder folder;
  RunSeeds(folder, "fedavg", "fedavg");
  RunSeeds(folder, "scaffold", "scaffold");
  const RecordedRun a = ReadRun(folder / "fedavg-1"), b = ReadRun(folder / "scaffold-1");
  REQUIRE(a.rounds.size() == 4);
  for (size_t i = 1; i < a.rounds.size(); ++i)
    CHECK(a.rounds[i]["cohort"] == b.rounds[i]["cohort"]);
  CHECK(a.rounds[0]["test_loss"] == b.rounds[0]["test_loss"]);
  CHECK(a.rounds[3]["test_loss"] != b.rounds[3]["test_loss"]);
  CHECK(a.data_hash.size() == 64);
  CHECK(Show(CommonOf(a, b)) == "partition, cohorts, initial model");
  CHECK(Show(CommonOf(a, ReadRun(folder / "fedavg-2"))).empty());
}

TEST_CASE("fedprox with mu 0 differs from fedavg by exactly 0, seed by seed") {
  const TempFolder folder;
  RunSeeds(folder, "a", "fedavg");
  RunSeeds(folder, "b", {{"name", "fedprox"}, {"mu", 0.0}});
  RunSeeds(folder, "c", {{"name", "fedprox"}, {"mu", 1.0}});
  const auto runs = ReadRuns({folder / "?-?"});
  const Comparison comparison = Compare(runs, {});
  REQUIRE(comparison.differences.size() == 2);
  const Difference& none = comparison.differences[0];
  CHECK(none.paired_seeds.size() == 3);
  CHECK(*none.mean == 0);
  CHECK(none.interval->low == 0);
  CHECK(none.interval->high == 0);
  CHECK(*none.p == 1);
  CHECK(*none.p_sign_flip == 1);
  CHECK(*comparison.differences[1].mean != 0);
}

TEST_CASE("another cohort size keeps the partition and the initial model") {
  const TempFolder folder;
  RunIn(folder / "a", SmallRegression());
  RunIn(folder / "b", With(SmallRegression(), {{"sampler.cohort", 6}}));
  RunIn(folder / "c", With(SmallRegression(), {{"partition", "iid"}}));
  const RecordedRun a = ReadRun(folder / "a");
  CHECK(Show(CommonOf(a, ReadRun(folder / "b"))) == "partition, initial model");
  CHECK_FALSE(CommonOf(a, ReadRun(folder / "c")).data);
}

}  // namespace
}  // namespace flsim
