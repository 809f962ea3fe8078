#include <catch2/catch.hpp>

#include "engine/analysis/comparison.h"
#include "engine/analysis/comparison_document.h"
#include "engine/analysis/comparison_warnings.h"
#include "engine/core/error.h"
#include "tests/analysis/made_comparisons.h"

namespace flsim {
namespace {

TEST_CASE("the baseline is named by label, by a part of one, or by a run of its group") {
  const TempFolder folder;
  Made(folder, "a", {{0.1, 0.5}});
  Made(folder, "b", {{0.1, 0.6}, 1, {kProx}});
  const auto runs = RunsIn(folder);
  for (const std::string& name :
       {std::string("strategy=fedprox"), std::string("prox"), folder / "b"}) {
    CompareOptions options;
    options.baseline = name;
    const Comparison comparison = Compare(runs, options);
    CHECK(comparison.baseline == "strategy=fedprox");
    CHECK(comparison.differences[0].group == 0);
    CHECK(*comparison.differences[0].mean == Approx(-0.1));
  }
  const auto refusal = [&](const std::string& baseline) {
    CompareOptions options;
    options.baseline = baseline;
    return ErrorOf<ConfigError>([&] { Compare(runs, options); });
  };
  CHECK(refusal("fedavgm") ==
        "--baseline fedavgm is in no group's label and no folder of a compared run; groups are\n"
        "  strategy=fedavg\n  strategy=fedprox");
  CHECK(refusal("fed") ==
        "--baseline fed is in the labels of 2 groups; groups are\n  strategy=fedavg\n"
        "  strategy=fedprox");
}

TEST_CASE(
    "settings of several groups are a baseline: each group is compared with its counterpart") {
  const TempFolder folder;
  const std::pair<std::string, Json> low = {"training.lr", 0.1}, high = {"training.lr", 0.2};
  Made(folder, "a", {{0.1, 0.5}, 1, {low}});
  Made(folder, "b", {{0.1, 0.6}, 1, {low, kProx}});
  Made(folder, "c", {{0.1, 0.3}, 1, {high}});
  Made(folder, "d", {{0.1, 0.7}, 1, {high, kProx}});
  const auto runs = RunsIn(folder);
  CompareOptions options;
  options.baseline = "strategy=fedavg";
  const Comparison comparison = Compare(runs, options);
  REQUIRE(comparison.differences.size() == 2);
  CHECK(comparison.differences[0].group == 1);
  CHECK(comparison.groups[1].baseline == 0);
  CHECK(*comparison.differences[0].mean == Approx(0.1));
  CHECK(comparison.differences[1].group == 3);
  CHECK(comparison.groups[3].baseline == 2);
  CHECK(*comparison.differences[1].mean == Approx(0.4));

  // Neither fedavg with 0.1 nor with 0.2 has more in common with 0.3.
  Made(folder, "e", {{0.1, 0.7}, 1, {{"training.lr", 0.3}, kProx}});
  const auto more = RunsIn(folder);
  CHECK(ErrorOf<ConfigError>([&] { Compare(more, options); }) ==
        "--baseline names 2 groups, and more than one of them is as much like "
        "strategy=fedprox, training.lr=0.3 as strategy=fedavg, training.lr=0.1 is; add settings "
        "that tell them apart");
}

TEST_CASE("a group of which no run counts is no baseline unless it is asked for") {
  const TempFolder folder;
  Made(folder, "a", {{0.1, 0.2}, 1, {}, "interrupted", 9});
  Made(folder, "b", {{0.1, 0.6}, 1, {kProx, {"rounds", 1}}});
  Made(folder, "c", {{0.1, 0.7}, 1, {{"strategy.name", "scaffold"}, {"rounds", 1}}});
  const auto runs = RunsIn(folder);
  const Comparison comparison = Compare(runs, {});
  CHECK(comparison.groups[0].outcomes.empty());
  CHECK(comparison.groups[1].baseline == 1);
  REQUIRE(comparison.differences.size() == 1);
  CHECK(*comparison.differences[0].mean == Approx(0.1));
  CHECK(DocumentOf(comparison).tables.back().caption ==
        "difference of final test_accuracy to " + comparison.groups[1].label);
  CompareOptions options;
  options.baseline = folder / "a";
  const Comparison with_none = Compare(runs, options);
  CHECK(Has(WarningsOf(with_none),
            "no run of the baseline " + with_none.groups[0].label + " counts"));
}

}  // namespace
}  // namespace flsim
