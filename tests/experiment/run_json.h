// Runs an experiment given as JSON, in a fresh folder, and reads back what it wrote.
#pragma once

#include <atomic>
#include <cstring>
#include <sstream>
#include <string>
#include <vector>

#include "engine/core/files.h"
#include "engine/experiment/run.h"
#include "tests/temp_folder.h"

namespace flsim {

/// A small regression experiment that every axis can be tried on.
inline Json SmallRegression() {
  return Json::parse(R"({
    "name": "small", "rounds": 3,
    "dataset": {"name": "synthetic_regression", "examples": 300, "features": 5, "noise": 1.0},
    "partition": {"name": "quantity", "clients": 12},
    "sampler": {"name": "uniform", "cohort": 5},
    "training": {"batch_size": 8, "lr": 0.02},
    "runtime": {"workers": 2}
  })");
}

/// A small image classification on the files in `folder`.
inline Json SmallImages(const std::string& folder) {
  Json json = Json::parse(R"({
    "name": "images", "rounds": 2,
    "dataset": {"name": "cifar10"},
    "partition": {"name": "iid", "clients": 6},
    "sampler": {"name": "uniform", "cohort": 4},
    "training": {"batch_size": 8, "lr": 0.02, "momentum": 0.9},
    "evaluation": {"every": 0, "batch_size": 16},
    "runtime": {"workers": 2}
  })");
  json["dataset"]["path"] = folder;
  return json;
}

/// SetAtPath for every "key": value pair.
inline Json With(Json json, const std::vector<std::pair<std::string, Json>>& changes) {
  for (const auto& [path, value] : changes) SetAtPath(json, path, value);
  return json;
}

inline RunResult RunIn(const std::string& folder, const Json& json,
                       ExistingRun existing = ExistingRun::kRefuse,
                       const std::vector<RecordSink*>& sinks = {}) {
  Experiment experiment(json, "test.json");
  RunFolder run_folder(folder, existing, experiment.resolved());
  experiment.Load();
  const std::atomic<bool> stop{false};
  return Run(experiment, run_folder, sinks, stop);
}

inline RunResult RunOnce(const Json& json) {
  const TempFolder folder;
  return RunIn(folder / "run", json);
}

/// The lines of rounds.jsonl without what a clock measured.
inline std::vector<Json> RoundsWithoutTimes(const std::string& folder) {
  std::vector<Json> rounds;
  std::istringstream lines(ReadFile(folder + "/rounds.jsonl"));
  for (std::string line; std::getline(lines, line);) {
    rounds.push_back(Json::parse(line));
    rounds.back().erase("wall_s");
    rounds.back().erase("evaluation_s");
  }
  return rounds;
}

inline bool SameBits(const at::Tensor& a, const at::Tensor& b) {
  return a.numel() == b.numel() && std::memcmp(a.const_data_ptr(), b.const_data_ptr(),
                                               static_cast<size_t>(a.numel()) * sizeof(float)) == 0;
}

/// The largest difference, relative to the largest element of `b`.
inline double RelativeDifference(const at::Tensor& a, const at::Tensor& b) {
  FLSIM_CHECK(a.numel() == b.numel());
  double difference = 0, largest = 0;
  for (int64_t i = 0; i < a.numel(); ++i) {
    difference = std::max(
        difference, std::abs(double{a.const_data_ptr<float>()[i]} - b.const_data_ptr<float>()[i]));
    largest = std::max(largest, std::abs(double{b.const_data_ptr<float>()[i]}));
  }
  return difference / largest;
}

}  // namespace flsim
