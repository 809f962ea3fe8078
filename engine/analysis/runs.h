// Run folders, read back, and grouped by what differs between their configs.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "engine/experiment/record.h"

namespace flsim {

/// A run as its folder holds it.
struct RecordedRun {
  std::string folder;
  Json config;               ///< with every default spelled out
  Json summary;              ///< null while the run goes on, or where it was killed
  std::vector<Json> rounds;  ///< the records of rounds.jsonl; the first is that of round 0
  std::string data_hash;     ///< of data set and partition, from the checkpoint; "" without one

  /// completed, interrupted, diverged, or unfinished.
  std::string status() const;
  uint64_t seed() const;
  /// The last round that is recorded; -1 if there is none.
  int64_t last_round() const;
};

/// Reads a run folder; a last line of rounds.jsonl that is being written is left out. Throws
/// DataError naming the file (and line) where it holds no run of flsim.
RecordedRun ReadRun(const std::string& folder);

/// The run folders that the arguments of a command name: run folders, sweep folders (their trials
/// that have begun) and globs of either, each run once, in this order. Throws DataError for an
/// argument that names none.
std::vector<std::string> FindRuns(const std::vector<std::string>& arguments);
/// Reads those that have all these settings, which are spelled as a group's label spells them
/// ("strategy=fedprox", "training.lr=0.1"; also "seed=1"). Throws DataError; ConfigError for what
/// is no setting, and for settings that no run has, with the values that there are.
std::vector<RecordedRun> ReadRuns(const std::vector<std::string>& arguments,
                                  const std::vector<std::string>& settings = {});

/// The value at a dotted path ("client_accuracy.mean"); null where there is none.
Json ValueAt(const Json& json, const std::string& path);

/// (round, value) of every round that has the metric, such as "test_accuracy" or
/// "client_accuracy.mean".
std::vector<std::pair<int64_t, double>> Series(const RecordedRun& run, const std::string& metric);

/// Where a run's metrics are compared by default: "test_accuracy", else "test_loss", else
/// "train_loss".
std::string MainMetric(const std::vector<RecordedRun>& runs);
/// Every metric that a record of the runs has, by name, in order of appearance.
std::vector<std::string> MetricNames(const std::vector<RecordedRun>& runs);

/// Runs of one config that differ in their seeds alone.
struct RunGroup {
  std::string label;  ///< "strategy=fedprox, training.lr=0.1"; "all" for the only one
  std::vector<const RecordedRun*> runs;  ///< by seed
};

/// Runs whose configs are equal but for seed, name, output and runtime, in order of appearance.
/// Labels are different from each other.
std::vector<RunGroup> GroupRuns(const std::vector<RecordedRun>& runs);

/// A config's values by dotted path ("strategy.name", "model.layers[2].kernel"), without seed,
/// name, output and runtime.
std::vector<std::pair<std::string, Json>> Settings(const Json& config);

}  // namespace flsim
