// The shape of a summary, known before the run.
#include <algorithm>
#include <catch2/catch.hpp>

#include "engine/core/json_paths.h"
#include "engine/experiment/summary_shape.h"
#include "tests/datasets/tiny_cifar.h"
#include "tests/experiment/run_json.h"

namespace flsim {
namespace {

/// Runs it, and checks that its summary has no value that was not known before.
void CheckShape(const Json& json) {
  INFO(json);
  const TempFolder folder;
  const Json shape = SummaryShape(Experiment(json, "test.json"));
  RunIn(folder / "run", json);
  for (const std::string& path : LeafPaths(ReadJsonFile(folder / "run/summary.json"))) {
    CAPTURE(path);
    CHECK(FindAtPath(shape, path) != nullptr);
  }
}

TEST_CASE("every value of a summary is known before the run") {
  CheckShape(SmallRegression());
  CheckShape(With(SmallRegression(), {{"training.lr", 1e30}}));
  CheckShape(With(SmallRegression(), {{"evaluation.clients", "all"}, {"rounds", 0}}));
  CheckShape(With(SmallRegression(), {{"sampler", {{"name", "poisson"}, {"q", 0.05}}}}));
  const TempFolder data;
  WriteTinyCifar(data.path(), 24);
  const Json images = SmallImages(data.path().string());
  CheckShape(images);
  CheckShape(With(images, {{"strategy", "ditto"}, {"evaluation.every", 1}}));
}

TEST_CASE("metrics that a run's config rules out are not in its shape") {
  const auto has = [](const Json& json, const std::string& path) {
    return FindAtPath(SummaryShape(Experiment(json, "test.json")), path) != nullptr;
  };
  const Json regression = SmallRegression(), images = SmallImages("nowhere");
  CHECK(has(regression, "final.test_r2"));
  CHECK_FALSE(has(regression, "final.test_accuracy"));
  CHECK_FALSE(has(With(regression, {{"dataset.test_fraction", 0}}), "final.test_loss"));
  CHECK_FALSE(has(regression, "best.client_loss_mean"));
  CHECK(has(With(regression, {{"evaluation.clients", "cohort"}}), "best.client_loss_mean"));
  CHECK(has(images, "final.test_accuracy"));
  CHECK_FALSE(has(images, "final.test_mse"));
  CHECK(has(With(images, {{"strategy", "ditto"}}), "final.client_accuracy_mean"));
}

}  // namespace
}  // namespace flsim
