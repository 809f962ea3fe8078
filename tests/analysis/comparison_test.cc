#include "engine/analysis/comparison.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "engine/analysis/comparison_warnings.h"
#include "engine/core/error.h"
#include "tests/analysis/made_comparisons.h"

namespace flsim {
namespace {

TEST_CASE("final, best and area are those of each run's curve, and the target counts its costs") {
  const TempFolder folder;
  Made(folder, "a", {{0.1, 0.5, 0.4, 0.3}});
  const auto runs = RunsIn(folder);
  CompareOptions options;
  options.target = 0.35;
  const Comparison comparison = Compare(runs, options);
  REQUIRE(comparison.groups.size() == 1);
  const GroupResult& group = comparison.groups[0];
  CHECK(group.label == "all");
  CHECK(*group.final_value.mean == 0.3);
  CHECK(*group.best.mean == 0.5);
  CHECK(*group.area.mean == Approx((0.05 + 0.5 + 0.4 + 0.15) / 3));
  CHECK_FALSE(group.final_value.interval);
  CHECK(group.reached == 1);
  CHECK(group.to_target->rounds == 1);
  CHECK(group.to_target->bytes == 15);
  CHECK(group.to_target->seconds == 1);
  CHECK(comparison.differences.empty());
}

TEST_CASE("the target is by default the best that all completed runs reach, and a median is told") {
  const TempFolder folder;
  Made(folder, "a1", {{0.1, 0.5, 0.4}, 1});
  Made(folder, "a2", {{0.1, 0.3, 0.6}, 2});
  Made(folder, "b1", {{0.1, 0.2, 0.45}, 1, {kProx}});
  Made(folder, "b2", {{0.1, 0.2}, 2, {kProx}, "diverged", 2});
  const auto runs = RunsIn(folder);
  const Comparison comparison = Compare(runs, {});
  CHECK(*comparison.target == 0.45);
  CHECK(comparison.groups[0].reached == 2);
  CHECK(comparison.groups[0].to_target->rounds == 1.5);
  CHECK(comparison.groups[0].to_target->bytes == 30);
  CHECK(comparison.groups[1].reached == 1);
  CHECK_FALSE(comparison.groups[1].to_target->reached());
}

TEST_CASE("lower is better for a loss, also for its target") {
  const TempFolder folder;
  const std::string path = Made(folder, "a", {{0, 0, 0}});
  WriteFileAtomically(path + "/rounds.jsonl",
                      "{\"round\":0,\"test_loss\":3.0}\n{\"round\":1,\"test_loss\":1.0}\n"
                      "{\"round\":2,\"test_loss\":2.0,\"bytes_up\":7}\n");
  const auto runs = RunsIn(folder);
  const Comparison comparison = Compare(runs, {});
  CHECK(comparison.view.metric == "test_loss");
  CHECK(*comparison.groups[0].best.mean == 1);
  CHECK(*comparison.target == 1);
  CHECK(comparison.groups[0].to_target->rounds == 1);
}

TEST_CASE("differences are taken seed by seed where both have the same seeds and partition") {
  const TempFolder folder;
  const std::vector<double> plain = {0.30, 0.40, 0.50}, prox = {0.31, 0.43, 0.52};
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    Made(folder, "a" + std::to_string(seed), {{0.1, plain[seed - 1]}, seed});
    Made(folder, "b" + std::to_string(seed), {{0.1, prox[seed - 1]}, seed, {kProx}});
  }
  const auto runs = RunsIn(folder);
  const Comparison comparison = Compare(runs, {});
  REQUIRE(comparison.differences.size() == 1);
  const Difference& difference = comparison.differences[0];
  CHECK(difference.group == 1);
  CHECK(difference.paired_seeds == std::vector<uint64_t>{1, 2, 3});
  CHECK(Show(difference.common) == "partition, cohorts, initial model");
  CHECK(*difference.mean == Approx(0.02));
  // t = 0.02 / (0.01 / sqrt(3)) with two degrees of freedom.
  CHECK(*difference.p == Approx(1 - std::sqrt(12.0 / 14.0)));
  CHECK(*difference.p_holm == *difference.p);
  CHECK(*difference.p_sign_flip == 0.25);
  CHECK(*difference.effect == Approx(2));
  // The groups themselves overlap by far.
  CHECK(comparison.groups[1].final_value.interval->low <
        comparison.groups[0].final_value.interval->high);
}

TEST_CASE("seeds that only one group has take no part in a paired difference, which says so") {
  const TempFolder folder;
  for (const uint64_t seed : {1, 2, 3})
    Made(folder, "a" + std::to_string(seed), {{0.1, 0.5}, seed});
  for (const uint64_t seed : {2, 3, 4})
    Made(folder, "b" + std::to_string(seed), {{0.1, 0.6}, seed, {kProx}});
  const auto runs = RunsIn(folder);
  const Comparison comparison = Compare(runs, {});
  CHECK(comparison.differences[0].paired_seeds == std::vector<uint64_t>{2, 3});
  CHECK(Has(WarningsOf(comparison),
            "not all seeds are those of the baseline: strategy=fedprox (2 of 3)"));
}

TEST_CASE("without common seeds, or with another partition, the test is Welch's") {
  const TempFolder folder;
  for (const uint64_t seed : {1, 2, 3}) {
    const double noise = 0.01 * static_cast<double>(seed);
    Made(folder, "a" + std::to_string(seed), {{0.1, 0.5 + noise}, seed});
    Made(folder, "b" + std::to_string(seed), {{0.1, 0.6 + noise}, seed + 3, {kProx}});
    Made(folder, "c" + std::to_string(seed),
         {{0.1, 0.7 + noise}, seed, {{"partition.alpha", 1.0}}});
  }
  const auto runs = RunsIn(folder);
  const Comparison comparison = Compare(runs, {});
  REQUIRE(comparison.differences.size() == 2);
  for (const Difference& difference : comparison.differences) {
    CHECK(difference.paired_seeds.empty());
    CHECK(difference.p);
    CHECK_FALSE(difference.p_sign_flip);
  }
  CHECK(comparison.differences[0].why_unpaired == "no seeds in common");
  CHECK(comparison.differences[1].why_unpaired == "other data or partitions");
  const auto warnings = WarningsOf(comparison);
  CHECK(Has(warnings,
            "not all seeds are those of the baseline: partition.alpha=0.3, strategy=fedprox (no "
            "seeds in common)"));
  CHECK(Has(warnings,
            "not paired with the baseline, as clients hold other examples: "
            "partition.alpha=1, strategy=fedavg has other partition.alpha (0.3, 1.0)"));
}

TEST_CASE("the hash that checkpoints note of their data decides over the configs") {
  const TempFolder folder;
  const auto made = [&](const std::string& name, uint64_t seed, const std::string& hash,
                        const std::vector<std::pair<std::string, Json>>& settings) {
    Made(folder, name, {{0.1, 0.5}, seed, settings, "completed", -1, hash});
  };
  const std::pair<std::string, Json> elsewhere = {"dataset.path", "/elsewhere"};
  for (const uint64_t seed : {1, 2}) {
    made("a" + std::to_string(seed), seed, "same", {});
    made("b" + std::to_string(seed), seed, "changed", {kProx});
    made("c" + std::to_string(seed), seed, "same", {elsewhere});
  }
  const auto runs = RunsIn(folder);
  const Comparison comparison = Compare(runs, {});
  CHECK(comparison.differences[0].paired_seeds.empty());
  CHECK(comparison.differences[1].paired_seeds.size() == 2);
  CHECK(Has(WarningsOf(comparison),
            "not paired with the baseline: checkpoints of the same seed note other data or "
            "partitions, though the configs ask for the same; was a file of theirs changed? "
            "strategy=fedprox"));
}

TEST_CASE("other data are said to make runs hard to compare") {
  const TempFolder folder;
  Made(folder, "a", {{0.1, 0.5}});
  Made(folder, "b", {{0.1, 0.5}, 1, {{"dataset.name", "other"}}});
  const auto runs = RunsIn(folder);
  CHECK(Has(WarningsOf(Compare(runs, {})),
            "not comparable with the baseline unless the test examples are the same: dataset=other "
            "has other dataset.name (\"cifar10\", \"other\")"));
}

TEST_CASE("a run that diverged counts with its last value, carried on; one that goes on does not") {
  const TempFolder folder;
  Made(folder, "a1", {{0.1, 0.5, 0.5, 0.5}, 1});
  Made(folder, "a2", {{0.1, 0.2}, 2, {}, "diverged", 3});
  Made(folder, "a3", {{0.1, 0.9}, 3, {}, "", 3});
  Made(folder, "a4", {{0.1, 0.9, 0.9}, 4, {}, "interrupted", 3});
  const auto runs = RunsIn(folder);
  const Comparison comparison = Compare(runs, {});
  const GroupResult& group = comparison.groups[0];
  CHECK(group.final_value.values == std::vector<double>{0.5, 0.2});
  CHECK(group.diverged == 1);
  CHECK(group.area.values[1] == Approx((0.15 + 0.2 + 0.2) / 3));
  const auto warnings = WarningsOf(comparison);
  CHECK(Has(warnings, "left out: " + folder / "a3" + " (unfinished after round 1 of 3); " +
                          folder / "a4" + " (interrupted after round 2 of 3)"));
  CHECK(Has(warnings,
            "diverged, and counted with the last value that was recorded, carried on to the last "
            "round: " +
                folder / "a2" + " (after round 1)"));
  // A test that is not finite leaves a record without it.
  const std::string last = Made(folder, "b", {{0.1, 0.5}, 5, {}, "diverged", 1});
  CHECK(OutcomeOf(ReadRun(last), comparison.view).diverged);
  // In the rounds that all have done, all count.
  CompareOptions first;
  first.rounds = 1;
  CHECK(Compare(runs, first).groups[0].final_value.values ==
        std::vector<double>{0.5, 0.2, 0.9, 0.9});
}

TEST_CASE("a run whose records end before its summary does not count") {
  const TempFolder folder;
  Made(folder, "a", {{0.1, 0.5, 0.6}});
  const std::string path = Made(folder, "b", {{0.1, 0.5}, 2, {}, "completed", 2});
  WriteFileAtomically(path + "/summary.json", R"({"status": "completed", "rounds": 2})");
  const auto runs = RunsIn(folder);
  const Comparison comparison = Compare(runs, {});
  REQUIRE(comparison.left_out.size() == 1);
  CHECK(comparison.left_out[0].why ==
        "has lost records: rounds.jsonl ends with round 1, its summary tells of 2");
}

TEST_CASE("a second run of one seed, one without the metric and other rounds are told") {
  const TempFolder folder;
  Made(folder, "a", {{0.1, 0.5}, 1});
  Made(folder, "b", {{0.1, 0.5}, 1});
  Made(folder, "c", {{0.1, 0.5, 0.6}, 1});
  const std::string empty = Made(folder, "d", {{0.1, 0.5}, 2});
  WriteFileAtomically(empty + "/rounds.jsonl", "{\"round\":0}\n{\"round\":1}\n");
  const auto runs = RunsIn(folder);
  const auto warnings = WarningsOf(Compare(runs, {}));
  CHECK(Has(warnings, "left out: " + folder / "b" + " (has the seed of " + folder / "a" + "); " +
                          folder / "d" + " (has no test_accuracy)"));
  CHECK(Has(warnings,
            "runs end at different rounds, 1 to 2: final, best and AUC favour the longer; --rounds "
            "1 looks at the same ones"));
}

TEST_CASE("few seeds are said to be few") {
  const TempFolder folder;
  for (const uint64_t seed : {1, 2, 3})
    Made(folder, "a" + std::to_string(seed), {{0.1, 0.5}, seed});
  Made(folder, "b", {{0.1, 0.5}, 1, {kProx}});
  const auto runs = RunsIn(folder);
  const Comparison comparison = Compare(runs, {});
  const auto warnings = WarningsOf(comparison);
  CHECK(Has(warnings, "one seed gives no interval and no test: strategy=fedprox"));
  CHECK(Has(warnings,
            "fewer than 5 seeds: t intervals are wide, and differences that matter may not be "
            "significant: strategy=fedavg (3)"));
  CHECK(Has(warnings,
            "a bootstrap interval of fewer than 10 seeds is too narrow; go by the t interval"));
  CHECK(comparison.differences[0].mean);
  CHECK_FALSE(comparison.differences[0].p);
  for (const uint64_t seed : {2, 3})
    Made(folder, "b" + std::to_string(seed), {{0.1, 0.5}, seed, {kProx}});
  const auto three = RunsIn(folder);
  const auto of_three = WarningsOf(Compare(three, {}));
  CHECK(Has(of_three,
            "fewer than 5 seeds: t intervals are wide, and differences that matter may not be "
            "significant: every group"));
  CHECK(Has(of_three, "a sign-flip test over 3 pairs can't give a p below 0.25"));
}

TEST_CASE("Holm's adjustment is over all differences to the baseline") {
  const TempFolder folder;
  for (const uint64_t seed : {1, 2, 3}) {
    const double s = static_cast<double>(seed);
    const std::string n = std::to_string(seed);
    Made(folder, "a" + n, {{0.1, 0.5}, seed});
    Made(folder, "b" + n, {{0.1, 0.6 + 0.01 * s}, seed, {kProx}});
    Made(folder, "c" + n, {{0.1, 0.5 + 0.1 * s}, seed, {{"strategy.name", "scaffold"}}});
  }
  const auto runs = RunsIn(folder);
  const Comparison comparison = Compare(runs, {});
  const Difference &b = comparison.differences[0], &c = comparison.differences[1];
  CHECK(*b.p < *c.p);
  CHECK(*b.p_holm == 2 * *b.p);
  CHECK(*c.p_holm == *c.p);
}

TEST_CASE("differences may be of the best value or of the area") {
  const TempFolder folder;
  Made(folder, "a", {{0.1, 0.9, 0.5}});
  Made(folder, "b", {{0.1, 0.5, 0.6}, 1, {kProx}});
  const auto runs = RunsIn(folder);
  CompareOptions options;
  options.of = Aspect::kBest;
  CHECK(*Compare(runs, options).differences[0].mean == Approx(-0.3));
  options.of = Aspect::kArea;
  CHECK(*Compare(runs, options).differences[0].mean == Approx(-0.175));
}

TEST_CASE("what can't be compared is refused with the reason") {
  const TempFolder folder;
  Made(folder, "a", {{0.1}, 1, {}, "", 3});
  const auto runs = RunsIn(folder);
  CompareOptions options;
  options.metric = "test_acuracy";
  CHECK(ErrorOf<ConfigError>([&] { Compare(runs, options); }) ==
        "--metric test_acuracy: no run has recorded it (recorded: test_accuracy); did you mean "
        "'test_accuracy'?");
  options = {};
  options.confidence = 95;
  CHECK(ErrorOf<ConfigError>([&] { Compare(runs, options); }) ==
        "--confidence must be above 0 and below 1, such as 0.95, got 95");
  CHECK(ErrorOf<DataError>([&] { Compare(runs, {}); }) ==
        "no run can be compared\n  " + folder / "a" + " unfinished after round 0 of 3");
}

}  // namespace
}  // namespace flsim
