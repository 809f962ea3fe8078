// Run folders as the program writes them, with values that a test can foresee.
#pragma once

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/analysis/runs.h"
#include "engine/core/files.h"
#include "tests/temp_folder.h"

namespace flsim {

/// What a test's run has; the test accuracy of round r is accuracy[r].
struct MadeRun {
  std::string strategy = "fedavg";
  int64_t seed = 1;
  std::vector<double> accuracy = {0.1, 0.3, 0.5};
  std::string status = "completed";  ///< "" for a run that goes on
};

/// Five clients; clients {r % 5, (r + 1) % 5} take part in round r, whose training takes 2 s and
/// moves 30 bytes up and 10 down.
inline std::string WriteRun(const TempFolder& folder, const std::string& name, const MadeRun& run) {
  const std::string path = folder / name;
  std::filesystem::create_directories(path);
  const Json config = {
      {"name", "made"},
      {"seed", run.seed},
      {"rounds", std::max<int64_t>(0, static_cast<int64_t>(run.accuracy.size()) - 1)},
      {"partition", {{"name", "iid"}, {"clients", 5}}},
      {"strategy", {{"name", run.strategy}}},
      {"runtime", {{"workers", 2}}}};
  WriteFileAtomically(path + "/config.json", config.dump(2));
  std::string lines;
  for (size_t r = 0; r < run.accuracy.size(); ++r) {
    Json round = {{"round", r}, {"test_accuracy", run.accuracy[r]}};
    if (r > 0) {
      round.update({{"cohort", {r % 5, (r + 1) % 5}},
                    {"train_loss", 1.0 / static_cast<double>(r)},
                    {"bytes_up", 30},
                    {"bytes_down", 10},
                    {"wall_s", 2.0}});
    }
    lines += round.dump() + "\n";
  }
  WriteFileAtomically(path + "/rounds.jsonl", lines);
  if (run.status.empty()) return path;
  const Json summary = {{"status", run.status},
                        {"peak_rss_bytes", 1000000},
                        {"model_sha256", "abc"},
                        {"version", "0.1.0"},
                        {"machine", {{"cpu", "A <fast> one"}, {"cores", 2}}}};
  WriteFileAtomically(path + "/summary.json", summary.dump(2));
  return path;
}

/// Two runs of fedavg and one of fedprox.
inline std::vector<RecordedRun> ThreeRuns(const TempFolder& folder) {
  WriteRun(folder, "a", {"fedavg", 1, {0.1, 0.3, 0.5}});
  WriteRun(folder, "b", {"fedavg", 2, {0.1, 0.5, 0.4}});
  WriteRun(folder, "c", {"fedprox", 1, {0.1, 0.2, 0.6}});
  return ReadRuns({folder / "?"});
}

}  // namespace flsim
