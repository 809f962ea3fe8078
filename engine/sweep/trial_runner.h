// Runs trials side by side, each in its run folder.
#pragma once

#include <atomic>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine/sweep/plan.h"
#include "engine/sweep/sweep.h"
#include "engine/sweep/sweep_folder.h"

namespace flsim {

/// A trial's experiment, without its data. Throws ConfigError naming the trial.
Experiment BuildTrial(const Trial& trial);

class TrialRunner {
 public:
  TrialRunner(SweepFolder& folder, const SweepPlan& plan, LoadedData& data, SweepObserver& observer,
              const std::atomic<bool>& stop);

  /// Runs the trials up to a round, `plan.parallel` at a time; those that have failed before are
  /// tried again. Throws InterruptedError, and what keeps a trial's end from being noted.
  void UpTo(int64_t until, const std::vector<const Trial*>& trials);

  /// Notes that nothing more is to be done for a trial.
  void Drop(const Trial& trial, const std::string& reason);

 private:
  class Sink;

  template <class F>
  void Tell(const F& tell);
  /// Of the trial at a place, from 0, among so many: the last ones, fewer than run side by side,
  /// share all cores.
  int WorkersFor(size_t place, size_t trials) const;
  void One(const Trial& trial, int64_t until, int workers, std::unique_ptr<Experiment>& last);
  void Run(const Trial& trial, int64_t until, int workers, std::unique_ptr<Experiment>& last);

  SweepFolder& folder_;
  const SweepPlan& plan_;
  LoadedData& data_;
  SweepObserver& observer_;
  const std::atomic<bool>& stop_;
  std::mutex mutex_;
  std::atomic<bool> broken_{false};
  std::exception_ptr error_;  ///< that broke it
};

}  // namespace flsim
