// The folder of a sweep: sweep.json, a run folder for each trial, and the tables made of them.
#pragma once

#include <string>
#include <vector>

#include "engine/core/json.h"
#include "engine/sweep/sweep_file.h"

namespace flsim {

/// How far a trial is, as its folder tells.
struct TrialState {
  /// waiting, unfinished (killed), interrupted, dropped (by halving), completed, diverged or
  /// failed.
  std::string status = "waiting";
  std::string reason;  ///< of the last two, and of a trial that was dropped
  Json summary;        ///< null where there is none
  bool done() const { return status == "completed" || status == "diverged"; }
};

/// A part of a sweep's trials: every `of`-th, from the `index`-th on.
struct Shard {
  int64_t index = 1, of = 1;
  bool Has(const Trial& trial) const { return (trial.number - 1) % of == index - 1; }
  bool is_whole() const { return of == 1; }
};
/// Reads "3/16". Throws ConfigError.
Shard ParseShard(const std::string& text);

class SweepFolder {
 public:
  /// Touches nothing. Throws ConfigError where the folder holds something else than this sweep, and
  /// `replace` does not allow to clear it.
  SweepFolder(std::string path, const Sweep& sweep, bool replace);
  ~SweepFolder();
  SweepFolder(const SweepFolder&) = delete;
  SweepFolder& operator=(const SweepFolder&) = delete;

  /// Makes the folder (clears the sweep that is replaced), writes sweep.json and takes the lock of
  /// the shard: a second process on the same shard is refused.
  void Begin(const Shard& shard);

  const std::string& path() const { return path_; }
  std::string TrialFolder(const Trial& trial) const { return path_ + "/" + trial.Folder(); }
  TrialState State(const Trial& trial) const;
  /// Notes why a trial could not be run; and that one was dropped by halving. The note is gone when
  /// the trial ends otherwise.
  void Note(const Trial& trial, const std::string& status, const std::string& reason) const;
  void ClearNote(const Trial& trial) const;

  /// Writes trials.csv: a line for each trial.
  void WriteTrials() const;

 private:
  void ClearOldSweep() const;

  std::string path_;
  const Sweep& sweep_;
  bool replace_;
  int lock_ = -1;
};

/// A field of CSV, in quotes where it needs them.
std::string CsvField(const std::string& text);

}  // namespace flsim
