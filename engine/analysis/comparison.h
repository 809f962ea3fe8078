// Groups of runs beside each other, over their seeds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/analysis/outcome.h"
#include "engine/analysis/pairing.h"
#include "engine/analysis/statistics.h"

namespace flsim {

/// What of a run's curve the differences between groups are taken of.
enum class Aspect { kFinal, kBest, kArea };

/// "final", "best", "AUC".
std::string Show(Aspect aspect);

struct CompareOptions {
  std::string metric;  ///< by default MainMetric()
  /// A group's label or a run's folder; settings of several groups ("strategy=fedavg"), of which
  /// each other group is then compared with the one that it shares the most settings with; or a
  /// text that only one label has. By default the first group of which runs count.
  std::string baseline;
  std::optional<double> target;   ///< by default the best value that every completed run reaches
  std::optional<int64_t> rounds;  ///< only these, from the first
  Aspect of = Aspect::kFinal;
  double confidence = 0.95;
};

/// A mean over seeds, and what is known of it.
struct Estimate {
  std::vector<double> values;                   ///< one a seed
  std::optional<double> mean, sd;               ///< the sample's
  std::optional<Interval> interval, bootstrap;  ///< Student's t; BCa; of two seeds or more
};

/// `mean` is absent without values, the others where there are less than two.
Estimate EstimateOf(std::vector<double> values, double confidence);

/// Runs of one config.
struct GroupResult {
  std::string label;
  size_t baseline = 0;            ///< the group that it is compared with; itself for none
  std::vector<Outcome> outcomes;  ///< one a seed, by seed, of the runs that count
  Estimate final_value, best, area;
  size_t diverged = 0;
  size_t reached = 0;                   ///< of the seeds, how many reach the target
  std::optional<TargetCost> to_target;  ///< medians over seeds, those that never reach it last
};

/// Difference::why_unpaired where runs of one seed don't share data and partition.
constexpr const char* kOtherData = "other data or partitions";

/// A group less its baseline.
struct Difference {
  size_t group = 0;
  /// Seeds that both have, where the difference is taken seed by seed; else empty.
  std::vector<uint64_t> paired_seeds;
  InCommon common;           ///< of all pairs
  std::string why_unpaired;  ///< "" if it is paired
  std::optional<double> mean;
  /// Of the mean: Student's t over pairs, or Welch's; BCa over pairs.
  std::optional<Interval> interval, bootstrap;
  std::optional<double> p, p_holm;    ///< of that t test; Holm's for all differences
  std::optional<double> p_sign_flip;  ///< exact, of at most kMaxSignFlips pairs
  std::optional<double> effect;       ///< d_z of pairs, else Hedges' g
};

struct LeftOut {
  const RecordedRun* run;
  std::string why;
};

struct Comparison {
  MetricView view;
  Aspect of = Aspect::kFinal;
  double confidence = 0.95;
  std::optional<double> target;  ///< absent where no run completed and none was asked for
  bool target_is_given = false;
  std::string baseline;                 ///< a group's label, or the settings of several
  std::vector<GroupResult> groups;      ///< in order of appearance
  std::vector<Difference> differences;  ///< of all groups but baselines, in their order
  std::vector<LeftOut> left_out;
};

/// Compares runs, which must outlive the result. Throws ConfigError for a metric that no run has, a
/// baseline that names no group and a confidence outside of 0 to 1, DataError where no run counts.
Comparison Compare(const std::vector<RecordedRun>& runs, const CompareOptions& options);

/// The resamples of every bootstrap interval.
constexpr int64_t kResamples = 10000;

}  // namespace flsim
