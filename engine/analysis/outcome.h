// What one run came to in one metric.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/analysis/runs.h"

namespace flsim {

/// How a run is looked at.
struct MetricView {
  std::string metric;
  bool higher_is_better = false;
  std::optional<int64_t> rounds;  ///< later ones are left out

  /// Whether a value is at least as good as another.
  bool Reaches(double value, double other) const {
    return higher_is_better ? value >= other : value <= other;
  }
};

struct Outcome {
  const RecordedRun* run = nullptr;
  /// (round, value), at least one. The last value of a run that diverged is carried on to the round
  /// that its config asked for.
  std::vector<std::pair<double, double>> curve;
  double final_value = 0, best = 0;
  /// The mean over rounds: the area under the curve by the trapezoidal rule, divided by the rounds
  /// from its first to its last point; absent for a single point.
  std::optional<double> area;
  bool diverged = false;
};

/// Why a run can't stand beside runs that have ended ("unfinished after round 3 of 100", "has no
/// test_loss"); "" if it can. It can when it has done all rounds that are looked at, has diverged,
/// or was ended early on purpose.
std::string WhyLeftOut(const RecordedRun& run, const MetricView& view);

/// Of a run that is not left out.
Outcome OutcomeOf(const RecordedRun& run, const MetricView& view);

/// What it takes until the metric first reaches a value; infinite where it never does.
struct TargetCost {
  double rounds = 0;
  double bytes = 0;    ///< between clients and server, both ways
  double seconds = 0;  ///< of training, without evaluation
  bool reached() const;
};

TargetCost CostOf(const Outcome& outcome, double target, const MetricView& view);

}  // namespace flsim
