// Run folders made by hand, with the numbers that a test is about.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "engine/analysis/runs.h"
#include "engine/core/files.h"
#include "engine/core/safetensors.h"
#include "tests/temp_folder.h"

namespace flsim {

/// A run whose test accuracy after round r is accuracy[r].
struct HandMadeRun {
  std::vector<double> accuracy;
  uint64_t seed = 1;
  std::vector<std::pair<std::string, Json>> settings = {};
  std::string status = "completed";  ///< "": no summary
  int64_t rounds = -1;               ///< of the config; -1: as many as there are
  std::string data_hash = {};        ///< "": no checkpoint
};

/// Round r takes 10 r bytes up, 5 r down and r seconds, and its cohort is {r}.
inline std::string Made(const TempFolder& folder, const std::string& name, const HandMadeRun& run) {
  const std::string path = folder / name;
  std::filesystem::create_directories(path + "/checkpoint");
  const auto last = static_cast<int64_t>(run.accuracy.size()) - 1;
  Json config = {{"name", name},
                 {"seed", run.seed},
                 {"rounds", run.rounds < 0 ? last : run.rounds},
                 {"dataset", {{"name", "cifar10"}}},
                 {"partition", {{"name", "dirichlet"}, {"alpha", 0.3}}},
                 {"strategy", {{"name", "fedavg"}}}};
  for (const auto& [key, value] : run.settings) SetAtPath(config, key, value);
  WriteFileAtomically(path + "/config.json", config.dump());
  std::string lines;
  for (int64_t r = 0; r <= last; ++r) {
    Json line = {{"round", r}, {"test_accuracy", run.accuracy[static_cast<size_t>(r)]}};
    if (r > 0) {
      line["cohort"] = {r};
      line["bytes_up"] = 10 * r;
      line["bytes_down"] = 5 * r;
      line["wall_s"] = static_cast<double>(r);
    }
    lines += line.dump() + "\n";
  }
  WriteFileAtomically(path + "/rounds.jsonl", lines);
  if (!run.status.empty())
    WriteFileAtomically(path + "/summary.json", Json{{"status", run.status}}.dump());
  if (!run.data_hash.empty()) {
    SafetensorsFile checkpoint;
    checkpoint.metadata["data"] = run.data_hash;
    WriteSafetensors(path + "/checkpoint/state.safetensors", checkpoint);
  }
  return path;
}

}  // namespace flsim
