// Sweeps over a small regression, run in this process.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/sweep/sweep.h"
#include "tests/experiment/run_json.h"

namespace flsim {

/// A sweep over a small regression, written to `file`.
inline Sweep Written(const std::string& file, const Json& axes) {
  Json json = axes;
  json["base"] = With(SmallRegression(), {{"output.checkpoint_every_s", 0}});
  WriteFileAtomically(file, json.dump());
  return ReadSweep(file, {});
}

/// Counts what it hears and asks for a stop after so many rounds of all trials.
class Counter : public SweepObserver {
 public:
  explicit Counter(std::atomic<bool>* stop = nullptr, int64_t stop_after = 0)
      : stop_(stop), stop_after_(stop_after) {}
  void Started(const Trial& trial, int64_t until) override { started.insert(trial.number); }
  void Round(const Trial&, const RoundRecord&) override {
    if (stop_ != nullptr && ++rounds == stop_after_) *stop_ = true;
  }
  void Ended(const Trial& trial, const TrialState& state) override {
    ended[trial.number] = state.status;
  }
  std::set<int64_t> started;
  std::map<int64_t, std::string> ended;
  int64_t rounds = 0;

 private:
  std::atomic<bool>* stop_;
  int64_t stop_after_;
};

inline void RunAll(const Sweep& sweep, const std::string& path, int parallel,
                   const Shard& shard = {}) {
  SweepFolder folder(path, sweep, false);
  folder.Begin(shard);
  LoadedData data;
  Counter counter;
  const std::atomic<bool> stop{false};
  RunSweep(sweep, folder, shard, {parallel, 1, 0, 0}, data, counter, stop);
}

/// Each trial's model hash and records.
inline std::map<std::string, std::pair<Json, std::vector<Json>>> Results(const Sweep& sweep,
                                                                         const std::string& path) {
  std::map<std::string, std::pair<Json, std::vector<Json>>> results;
  for (const Trial& trial : sweep.trials) {
    const std::string folder = path + "/" + trial.Folder();
    results[trial.Folder()] = {ReadJsonFile(folder + "/summary.json").at("model_sha256"),
                               RoundsWithoutTimes(folder)};
  }
  return results;
}

/// The status of each trial and the rounds that it has recorded.
inline std::vector<std::pair<std::string, size_t>> Ends(const Sweep& sweep,
                                                        const std::string& path) {
  const SweepFolder state(path, sweep, false);
  std::vector<std::pair<std::string, size_t>> ends;
  for (const Trial& trial : sweep.trials) {
    ends.emplace_back(state.State(trial).status,
                      RoundsWithoutTimes(state.TrialFolder(trial)).size() - 1);
  }
  return ends;
}

}  // namespace flsim
