// The folder of a sweep: sweep.json, a run folder for each trial, and the tables made of them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/analysis/runs.h"
#include "engine/core/json.h"
#include "engine/sweep/sweep_file.h"

namespace flsim {

/// How far a trial is, as its folder tells.
struct TrialState {
  /// waiting, unfinished (killed), interrupted, paused (between two rungs of halving), dropped (by
  /// halving), completed, diverged or failed.
  std::string status = "waiting";
  std::string reason;  ///< of the last two, and of a trial that was dropped
  Json summary;        ///< null where there is none
  bool done() const { return status == "completed" || status == "diverged"; }
  /// Whether nothing is left to do, or there is no use in it.
  bool settled() const { return done() || status == "dropped"; }
};

/// A part of a sweep's trials: every `of`-th, from the `index`-th on.
struct Shard {
  int64_t index = 1, of = 1;
  bool Has(const Trial& trial) const { return (trial.number - 1) % of == index - 1; }
  bool is_whole() const { return of == 1; }
};
/// Reads "3/16". Throws ConfigError.
Shard ParseShard(const std::string& text);

/// What halving has decided at a round.
struct Rung {
  int64_t round = 0;
  int64_t compared = 0;       ///< points
  std::vector<int64_t> kept;  ///< those that go on
};

class SweepFolder {
 public:
  /// Touches nothing. Throws ConfigError where the folder holds something else than this sweep, and
  /// `replace` does not allow to clear it.
  SweepFolder(std::string path, const Sweep& sweep, bool replace);
  ~SweepFolder();
  SweepFolder(const SweepFolder&) = delete;
  SweepFolder& operator=(const SweepFolder&) = delete;

  /// Makes the folder (clears the sweep that is replaced) and writes sweep.json. A second process
  /// is refused, unless both run shards, and not the same one.
  void Begin(const Shard& shard);

  const std::string& path() const { return path_; }
  std::string TrialFolder(const Trial& trial) const { return path_ + "/" + trial.Folder(); }
  /// Of a sweep that is to be replaced, every trial waits.
  TrialState State(const Trial& trial) const;
  /// What the trial has recorded so far, if it has begun.
  std::optional<RecordedRun> Recorded(const Trial& trial) const;
  /// Notes why a trial could not be run; and that one was dropped by halving. The note is gone when
  /// the trial ends otherwise.
  void Note(const Trial& trial, const std::string& status, const std::string& reason) const;
  void ClearNote(const Trial& trial) const;

  /// What halving has decided so far; throws DataError where halving.json is damaged.
  std::vector<Rung> Rungs() const;
  void WriteRungs(const std::vector<Rung>& rungs) const;

  /// Writes trials.csv: a line for each trial.
  void WriteTrials() const;

 private:
  void Lock(const std::string& name, int operation);
  void ClearOldSweep() const;

  std::string path_;
  const Sweep& sweep_;
  bool replace_;
  std::vector<int> locks_;
};

}  // namespace flsim
