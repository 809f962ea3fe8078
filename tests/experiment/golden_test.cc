// Every shipped config, cut short, comes to what was approved. After a change that is meant to
// change results:
//   bazel test //tests/experiment:experiment_test
//   --test_env=FLSIM_APPROVE=$PWD/tests/experiment/golden.json
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>

#include "tests/datasets/tiny_cifar.h"
#include "tests/experiment/run_json.h"

namespace flsim {
namespace {

/// The config with fewer rounds and clients, on small files in place of the real images.
Json CutShort(Json json, const std::string& images) {
  json["rounds"] = 2;
  if (json.value("training", Json::object()).contains("steps")) json["training"]["steps"] = 2;
  if (Experiment(json, "golden").config().dataset.name == "cifar10") {
    // Robust aggregators refuse a cohort of two.
    const int cohort = json.contains("aggregator") ? 10 : 2;
    json = With(json, {{"dataset.path", images},
                       {"partition.clients", 20},
                       {"sampler", {{"name", "uniform"}, {"cohort", cohort}}}});
  } else if (json.at("dataset").value("examples", int64_t{0}) > 100000) {
    json = With(json, {{"dataset.examples", 100000}, {"partition.clients", 10000}});
  }
  return json;
}

TEST_CASE("every shipped config, cut short, comes to what was approved") {
  const char* approve = std::getenv("FLSIM_APPROVE");
  Json approved =
      approve != nullptr ? Json::object() : Json::parse(ReadFile("tests/experiment/golden.json"));
  const TempFolder folder;
  WriteTinyCifar(folder / "images", 100);
  int configs = 0;
  for (const auto& entry : std::filesystem::directory_iterator("configs")) {
    if (entry.path().extension() != ".json" || entry.path().filename() == "schema.json") continue;
    const Json json = Json::parse(ReadFile(entry.path().string()));
    if (json.contains("base")) continue;  // a sweep
    const std::string name = entry.path().stem().string();
    ++configs;
    INFO(name);
    const RunResult result = RunIn(folder / name, CutShort(json, folder / "images"));
    const Json& metrics = result.summary.final_metrics;
    if (approve != nullptr) {
      approved[name] = metrics;
      continue;
    }
    REQUIRE(approved.contains(name));
    for (const auto& metric : metrics.items()) {
      // Kernels of other instruction sets round otherwise; an accuracy may then differ by an
      // example or two of 100.
      const bool is_accuracy = metric.key().find("accuracy") != std::string::npos;
      const double expected = approved.at(name).at(metric.key()).get<double>();
      INFO(metric.key());
      CHECK(metric.value().get<double>() ==
            Approx(expected).epsilon(1e-3).margin(is_accuracy ? 0.02 : 0));
    }
  }
  CHECK(configs >= 13);
  if (approve != nullptr) WriteFileAtomically(approve, approved.dump(2) + "\n");
}

}  // namespace
}  // namespace flsim
