// Early stopping: when a run ends before its last round.
#pragma once

#include <optional>
#include <string>

#include "engine/core/options.h"

namespace flsim {

struct RoundRecord;

/// The metrics of a round's record that can be watched, by the names that summary.json has.
inline const std::vector<std::string> kWatchedMetrics = {
    "train_loss", "test_loss",        "test_accuracy",       "test_mse",
    "test_r2",    "client_loss_mean", "client_accuracy_mean"};

struct StopOptions {
  std::optional<std::string> metric;
  std::optional<double> target;
  int64_t patience = 0;
  double min_delta = 0;
  double seconds = 0;
  int64_t bytes = 0, examples = 0;

  /// Whether a metric decides.
  bool Watches() const { return target || patience > 0; }

  template <class V>
  void Visit(V& v) {
    v(metric, "metric",
      "What target and patience go by. If absent: the clients' mean accuracy (regression: loss) "
      "for "
      "a personalised strategy, else test_accuracy (regression: test_loss).",
      OneOf(kWatchedMetrics));
    v(target, "target",
      "Stops when the metric is at least this (a loss: at most). If absent: no target.");
    v(patience, "patience",
      "Stops when so many evaluations in a row have not been better than the best before them by "
      "more than min_delta; 0: never.",
      Between(0, 1e9));
    v(min_delta, "min_delta", "What patience takes for an improvement must be more than this.",
      AtLeast(0));
    v(seconds, "seconds",
      "Stops after the round in which rounds and evaluations together have taken so long; 0: no "
      "such limit. Such a run is not the same on every machine.",
      AtLeast(0));
    v(bytes, "bytes",
      "Stops after the round in which so many bytes have gone up and down; 0: no such limit.",
      AtLeast(0));
    v(examples, "examples",
      "Stops after the round in which so many examples have been trained on, counted once for each "
      "epoch; 0: no such limit.",
      AtLeast(0));
  }
};

/// What early stopping remembers from round to round.
struct StopState {
  std::optional<double> best;  ///< of the metric
  int64_t stale = 0;           ///< evaluations since then
  std::string reason;          ///< why the run has ended, if so
};

/// Looks at a metric where the record has it; fills in the reason where the run is to end.
void Watch(const StopOptions& options, const RoundRecord& record, StopState& state);

/// Fills in the reason where what has been spent so far is all that may be.
void CheckBudget(const StopOptions& options, double seconds, int64_t bytes, int64_t examples,
                 StopState& state);

}  // namespace flsim
