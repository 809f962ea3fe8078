// Curves over rounds: a metric of the runs of a group, thinned to what a page or a figure can show.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/analysis/runs.h"

namespace flsim {

/// One metric of all runs of a group. Every vector has one entry for each round in which at least
/// one of them has the metric, less the rounds that were thinned out.
struct GroupCurve {
  std::vector<int64_t> rounds;              ///< increasing
  std::vector<int> runs;                    ///< how many runs have the metric in that round
  std::vector<double> mean, std, min, max;  ///< over those; std with n - 1, and 0 for one run
  std::vector<std::vector<double>> each;    ///< [runs of the group, rounds]; NaN: not taken
  size_t thinned_from = 0;                  ///< how many rounds there were
};

/// The metric over the rounds at about `most_points` of them, evenly spread. Each run's best and
/// last point and the first one are always among them.
GroupCurve CurveOf(const RunGroup& group, const std::string& metric, size_t most_points);

/// What a group's runs had spent by then, on average over those that got so far.
struct Spending {
  std::vector<double> seconds;  ///< of rounds, without evaluation
  std::vector<double> bytes;    ///< between clients and server, both ways
};

/// Spending at these rounds, which are increasing.
Spending SpendingAt(const RunGroup& group, const std::vector<int64_t>& rounds);

/// The dotted names of all numbers that the runs' rounds have, in order of appearance:
/// "test_accuracy", "client_accuracy.p5".
std::vector<std::string> RecordedMetrics(const std::vector<RecordedRun>& runs);

/// `metric`, or MainMetric() if it is empty. Throws ConfigError where no run has recorded it.
std::string ChosenMetric(const std::vector<RecordedRun>& runs, const std::string& metric);

/// "test_accuracy" as "test accuracy", "client_accuracy.p5" as "client accuracy, p5".
std::string MetricLabel(const std::string& metric);

}  // namespace flsim
