#include "engine/sweep/sweep.h"

#include <algorithm>
#include <limits>
#include <map>
#include <mutex>
#include <new>
#include <set>
#include <thread>

#include "engine/core/error.h"
#include "engine/experiment/run.h"
#include "engine/sweep/leaderboard.h"

namespace flsim {
namespace {

constexpr int64_t kToTheEnd = std::numeric_limits<int64_t>::max();

Experiment Build(const Trial& trial) {
  return Experiment(trial.config, trial.Folder() + " (" + trial.Label() + ")");
}

/// The last round that a trial has recorded; -1 if there is none.
int64_t LastRound(const SweepFolder& folder, const Trial& trial) {
  const std::optional<RecordedRun> run = folder.Recorded(trial);
  return run ? run->last_round() : -1;
}

/// Runs trials, some at a time.
class TrialRunner {
 public:
  TrialRunner(SweepFolder& folder, const SweepPlan& plan, LoadedData& data, SweepObserver& observer,
              const std::atomic<bool>& stop)
      : folder_(folder), plan_(plan), data_(data), observer_(observer), stop_(stop) {}

  /// Runs the trials up to a round; those that have failed before are tried again.
  void UpTo(int64_t until, const std::vector<const Trial*>& trials) {
    std::atomic<size_t> next{0};
    const auto work = [&] {
      std::unique_ptr<Experiment> last;  // its data are kept until the next trial has them
      for (size_t i; !stop_ && !broken_ && (i = next++) < trials.size();)
        One(*trials[i], until, last);
    };
    std::vector<std::thread> slots;
    for (int i = 0; i < plan_.parallel; ++i) slots.emplace_back(work);
    for (std::thread& slot : slots) slot.join();
    if (error_) std::rethrow_exception(error_);
    if (stop_)
      throw InterruptedError("the sweep was interrupted; the same command goes on with it");
  }

  void Drop(const Trial& trial, const std::string& reason) {
    if (folder_.State(trial).status == "dropped") return;
    folder_.Note(trial, "dropped", reason);
    Tell([&] { observer_.Ended(trial, folder_.State(trial)); });
  }

 private:
  /// Passes a trial's records on.
  class Sink : public RecordSink {
   public:
    Sink(TrialRunner& running, const Trial& trial) : running_(running), trial_(trial) {}
    void Round(const RoundRecord& record) override {
      running_.Tell([&] { running_.observer_.Round(trial_, record); });
    }

   private:
    TrialRunner& running_;
    const Trial& trial_;
  };

  template <class F>
  void Tell(const F& tell) {
    const std::lock_guard<std::mutex> lock(mutex_);
    tell();
  }

  /// A trial that fails is noted; what fails beside it, such as the note, ends the sweep.
  void One(const Trial& trial, int64_t until, std::unique_ptr<Experiment>& last) {
    try {
      try {
        Run(trial, until, last);
        folder_.ClearNote(trial);
      } catch (const FolderInUse&) {
        throw;  // not this process's trial
      } catch (const std::bad_alloc&) {
        folder_.Note(trial, "failed", "out of memory");
      } catch (const std::exception& error) {
        folder_.Note(trial, "failed", error.what());
      }
      Tell([&] { observer_.Ended(trial, folder_.State(trial)); });
    } catch (...) {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (!broken_.exchange(true)) error_ = std::current_exception();
    }
  }

  void Run(const Trial& trial, int64_t until, std::unique_ptr<Experiment>& last) {
    Trial changed = trial;
    SetAtPath(changed.config, "runtime.workers", plan_.workers);
    auto experiment = std::make_unique<Experiment>(Build(changed));
    RunFolder folder(folder_.TrialFolder(trial), ExistingRun::kResume, experiment->resolved());
    Tell([&] { observer_.Started(trial, std::min(until, experiment->config().rounds)); });
    experiment->Load(&data_);
    last = std::move(experiment);
    Sink sink(*this, trial);
    flsim::Run(*last, folder, {&sink}, stop_, until);
  }

  SweepFolder& folder_;
  const SweepPlan& plan_;
  LoadedData& data_;
  SweepObserver& observer_;
  const std::atomic<bool>& stop_;
  std::mutex mutex_;
  std::atomic<bool> broken_{false};
  std::exception_ptr error_;  ///< that broke it
};

/// The rounds at which halving compares, the last of them the trials' own end.
std::vector<int64_t> Rungs(const Halving& halving, int64_t rounds) {
  std::vector<int64_t> rungs;
  for (int64_t rung = halving.min_rounds; rung < rounds; rung *= halving.eta) rungs.push_back(rung);
  rungs.push_back(rounds);
  return rungs;
}

void RunHalving(const Sweep& sweep, SweepFolder& folder, TrialRunner& running) {
  int64_t rounds = 0;
  std::map<int64_t, std::vector<const Trial*>> points;
  for (const Trial& trial : sweep.trials) {
    rounds = std::max(rounds, Build(trial).config().rounds);
    points[trial.point].push_back(&trial);
  }
  for (const int64_t rung : Rungs(*sweep.halving, rounds)) {
    std::vector<const Trial*> due;
    for (const auto& [point, trials] : points) {
      for (const Trial* trial : trials) {
        const bool reached = rung < rounds && LastRound(folder, *trial) >= rung;
        if (!reached && !folder.State(*trial).done()) due.push_back(trial);
      }
    }
    running.UpTo(rung == rounds ? kToTheEnd : rung, due);
    if (rung == rounds) return;
    std::set<int64_t> undecided;  // points with trials that go on
    for (const auto& [point, trials] : points) {
      for (const Trial* trial : trials) {
        const TrialState state = folder.State(*trial);
        if (state.status == "failed") return;  // to be tried again before points are compared
        if (!state.done()) undecided.insert(point);
      }
    }
    std::vector<int64_t> order;
    for (const Rank& rank : Rankings(sweep, folder, rung)) {
      if (undecided.count(rank.point) > 0) order.push_back(rank.point);
    }
    const size_t kept = std::max<size_t>(1, order.size() / static_cast<size_t>(sweep.halving->eta));
    for (size_t i = kept; i < order.size(); ++i) {
      for (const Trial* trial : points[order[i]]) {
        if (folder.State(*trial).done()) continue;
        running.Drop(*trial, "not among the best " + std::to_string(kept) + " of " +
                                 std::to_string(order.size()) + " points after round " +
                                 std::to_string(rung));
      }
      points.erase(order[i]);
    }
  }
}

void CheckHalving(const Sweep& sweep, const Experiment& experiment) {
  const std::string at = sweep.file + ": halving.";
  const std::string metric = sweep.halving->metric.value_or(*experiment.config().stop.metric);
  const std::string why = experiment.WhyNotTaken(metric);
  if (!why.empty()) throw ConfigError(at + "metric: " + why);
  const int64_t every = experiment.config().evaluation.every, least = sweep.halving->min_rounds;
  if (metric != "train_loss" && every > least) {
    throw ConfigError(at + "min_rounds: must be at least evaluation.every (" +
                      std::to_string(every) + "), got " + std::to_string(least));
  }
}

}  // namespace

std::vector<std::string> CheckTrials(const Sweep& sweep) {
  constexpr size_t kShown = 10;
  std::vector<std::string> problems, warnings;
  for (const Trial& trial : sweep.trials) {
    try {
      const Experiment experiment = Build(trial);
      for (const std::string& warning : experiment.Warnings()) {
        if (std::find(warnings.begin(), warnings.end(), warning) == warnings.end())
          warnings.push_back(warning);
      }
      if (sweep.halving && problems.empty()) CheckHalving(sweep, experiment);
    } catch (const ConfigError& error) {
      problems.emplace_back(error.what());
    }
  }
  if (problems.empty()) return warnings;
  std::string text = sweep.file + ": " + std::to_string(problems.size()) + " of " +
                     std::to_string(sweep.trials.size()) + " trials can't be run";
  for (size_t i = 0; i < std::min(kShown, problems.size()); ++i) text += "\n" + problems[i];
  if (problems.size() > kShown)
    text += "\n... and " + std::to_string(problems.size() - kShown) + " more";
  throw ConfigError(text);
}

std::string SweepDir(const Sweep& sweep) {
  return Build(sweep.trials[0]).config().output.dir + "/" + sweep.name;
}

std::vector<TrialCost> MeasureTrials(const std::vector<const Trial*>& trials, LoadedData& data,
                                     const std::atomic<bool>& stop) {
  std::map<std::string, TrialCost> measured;  // a round's cost, by what it depends on
  std::vector<TrialCost> costs;
  std::unique_ptr<Experiment> last;  // its data are kept until the next one has them
  for (const Trial* trial : trials) {
    auto experiment = std::make_unique<Experiment>(Build(*trial));
    const Json& config = experiment->resolved();
    std::string key;
    for (const char* part : {"dataset", "model", "strategy", "sampler", "evaluation"})
      key += config.at(part).dump();
    for (const char* part : {"batch_size", "epochs", "steps", "optimizer"})
      key += config.at("training").value(part, Json()).dump();
    key += std::to_string(experiment->configured_clients());
    const auto rounds = static_cast<double>(std::max<int64_t>(1, experiment->config().rounds));
    auto found = measured.find(key);
    if (found == measured.end()) {
      TrialCost cost;
      try {
        cost = MeasureTrial(*experiment, data, stop);
      } catch (const InterruptedError&) {
        throw;
      } catch (const std::exception&) {
        // The run itself will tell.
      }
      last = std::move(experiment);
      cost.rounds_s /= rounds;
      found = measured.emplace(key, cost).first;
    }
    costs.push_back(found->second);
    costs.back().rounds_s *= rounds;
  }
  return costs;
}

std::vector<const Trial*> Remaining(const Sweep& sweep, const SweepFolder& folder,
                                    const Shard& shard) {
  std::vector<const Trial*> remaining;
  for (const Trial& trial : sweep.trials) {
    if (shard.Has(trial) && !folder.State(trial).settled()) remaining.push_back(&trial);
  }
  return remaining;
}

void RunSweep(const Sweep& sweep, SweepFolder& folder, const Shard& shard, const SweepPlan& plan,
              LoadedData& data, SweepObserver& observer, const std::atomic<bool>& stop) {
  TrialRunner running(folder, plan, data, observer, stop);
  if (sweep.halving) {
    FLSIM_CHECK(shard.is_whole());
    RunHalving(sweep, folder, running);
  } else {
    running.UpTo(kToTheEnd, Remaining(sweep, folder, shard));
  }
}

}  // namespace flsim
