#include "engine/sweep/trial_runner.h"

#include <algorithm>
#include <new>
#include <thread>

#include "engine/core/error.h"
#include "engine/experiment/run.h"

namespace flsim {

/// Passes a trial's records on.
class TrialRunner::Sink : public RecordSink {
 public:
  Sink(TrialRunner& running, const Trial& trial) : running_(running), trial_(trial) {}
  void Round(const RoundRecord& record) override {
    running_.Tell([&] { running_.observer_.Round(trial_, record); });
  }

 private:
  TrialRunner& running_;
  const Trial& trial_;
};

Experiment BuildTrial(const Trial& trial) {
  return Experiment(trial.config, trial.Folder() + " (" + trial.Label() + ")");
}

TrialRunner::TrialRunner(SweepFolder& folder, const SweepPlan& plan, LoadedData& data,
                         SweepObserver& observer, const std::atomic<bool>& stop)
    : folder_(folder), plan_(plan), data_(data), observer_(observer), stop_(stop) {}

void TrialRunner::UpTo(int64_t until, const std::vector<const Trial*>& trials) {
  std::atomic<size_t> next{0};
  const auto work = [&] {
    std::unique_ptr<Experiment> last;  // its data are kept until the next trial has them
    for (size_t i; !stop_ && !broken_ && (i = next++) < trials.size();)
      One(*trials[i], until, WorkersFor(i, trials.size()), last);
  };
  std::vector<std::thread> slots;
  for (int i = 0; i < plan_.parallel; ++i) slots.emplace_back(work);
  for (std::thread& slot : slots) slot.join();
  if (error_) std::rethrow_exception(error_);
  if (stop_) throw InterruptedError("the sweep was interrupted; the same command goes on with it");
}

void TrialRunner::Drop(const Trial& trial, const std::string& reason) {
  if (folder_.State(trial).status == "dropped") return;
  folder_.Note(trial, "dropped", reason);
  Tell([&] { observer_.Ended(trial, folder_.State(trial)); });
}

template <class F>
void TrialRunner::Tell(const F& tell) {
  const std::lock_guard<std::mutex> lock(mutex_);
  tell();
}

int TrialRunner::WorkersFor(size_t place, size_t trials) const {
  const auto parallel = static_cast<size_t>(plan_.parallel);
  const size_t beside = trials - place / parallel * parallel;
  return std::max(plan_.workers, static_cast<int>(static_cast<size_t>(plan_.cores) / beside));
}

/// A trial that fails is noted; what fails beside it, such as the note, ends the sweep.
void TrialRunner::One(const Trial& trial, int64_t until, int workers,
                      std::unique_ptr<Experiment>& last) {
  try {
    try {
      Run(trial, until, workers, last);
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

void TrialRunner::Run(const Trial& trial, int64_t until, int workers,
                      std::unique_ptr<Experiment>& last) {
  Trial changed = trial;
  SetAtPath(changed.config, "runtime.workers", workers);
  auto experiment = std::make_unique<Experiment>(BuildTrial(changed));
  RunFolder folder(folder_.TrialFolder(trial), ExistingRun::kResume, experiment->resolved());
  Tell([&] { observer_.Started(trial, std::min(until, experiment->config().rounds)); });
  experiment->Load(&data_);
  last = std::move(experiment);
  Sink sink(*this, trial);
  flsim::Run(*last, folder, {&sink}, stop_, until);
}

}  // namespace flsim
