// What a run or a replay has come to so far, beside the server's state, and how it ended.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "engine/experiment/record.h"
#include "engine/experiment/stopping.h"
#include "strategies/server_state.h"

namespace flsim {

class Stopwatch {
 public:
  double Seconds() const {
    return std::chrono::duration<double>(Clock::now() - start_).count() - left_out_;
  }
  /// From now on Seconds() is less by so many.
  void LeaveOut(double seconds) { left_out_ += seconds; }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
  double left_out_ = 0;
};

/// What a checkpoint keeps of it.
struct RunProgress {
  double wall_s = 0;        ///< of all rounds and evaluations so far
  double train_wall_s = 0;  ///< of the rounds alone
  int64_t examples = 0;     ///< trained on so far
  int64_t bytes = 0;        ///< up and down so far
  int64_t skipped_rounds = 0;
  Json final_metrics, best_metrics;
  std::string diverged;  ///< why the run can't go on, if so
  StopState stop;

  /// Counts a round that is whole and says whether it is the best so far. The best round is that of
  /// the best test accuracy (of the lowest test loss where there is none) or, if `personal`, of the
  /// best mean over the clients' own models.
  bool Take(const RoundRecord& record, bool personal);
};

/// Drops a test whose loss is not finite and says so; else returns "". The round itself stands.
std::string DropDivergedTest(RoundRecord& record);

/// A copy that shares no memory.
ServerState Clone(const ServerState& state);

/// Calls `work` and says how it ended: "completed", or "interrupted" or "diverged" with the reason;
/// other errors pass.
RunSummary EndOf(const std::function<void()>& work);

/// Fills in all but the end and the training speed.
void Describe(const RunProgress& progress, const ServerState& state, uint64_t seed,
              RunSummary& summary);

}  // namespace flsim
