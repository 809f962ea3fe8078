#include "engine/analysis/comparison.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "engine/analysis/labels.h"
#include "engine/core/error.h"
#include "engine/core/options.h"

namespace flsim {
namespace fs = std::filesystem;
namespace {

std::string ChooseMetric(const std::string& metric, const std::vector<RecordedRun>& runs) {
  if (metric.empty()) return MainMetric(runs);
  const std::vector<std::string> names = MetricNames(runs);
  if (std::find(names.begin(), names.end(), metric) != names.end()) return metric;
  const std::string near = Nearest(metric, names);
  throw ConfigError("--metric " + metric +
                    ": no run has recorded it (recorded: " + JoinNames(names) + ")" +
                    (near.empty() ? "" : "; did you mean '" + near + "'?"));
}

bool HoldsRun(const RunGroup& group, const std::string& folder) {
  const auto is_it = [&](const RecordedRun* run) {
    return fs::weakly_canonical(run->folder) == fs::weakly_canonical(folder);
  };
  return std::any_of(group.runs.begin(), group.runs.end(), is_it);
}

/// Whether a group's label has all these settings.
bool HasParts(const std::string& label, const std::vector<std::string>& wanted) {
  const std::vector<std::string> parts = LabelParts(label);
  return std::all_of(wanted.begin(), wanted.end(), [&](const std::string& part) {
    return std::find(parts.begin(), parts.end(), part) != parts.end();
  });
}

/// The groups that --baseline may mean.
std::vector<size_t> FindBaselines(const std::vector<RunGroup>& groups, const std::string& wanted) {
  std::vector<size_t> having_settings, having_text;
  for (size_t i = 0; i < groups.size(); ++i) {
    if (groups[i].label == wanted || HoldsRun(groups[i], wanted)) return {i};
    if (HasParts(groups[i].label, LabelParts(wanted))) having_settings.push_back(i);
    if (groups[i].label.find(wanted) != std::string::npos) having_text.push_back(i);
  }
  if (!having_settings.empty()) return having_settings;
  if (having_text.size() == 1) return having_text;
  std::string labels;
  for (const RunGroup& group : groups) labels += "\n  " + group.label;
  throw ConfigError("--baseline " + wanted + " is " +
                    (having_text.empty()
                         ? "in no group's label and no folder of a compared run"
                         : "in the labels of " + std::to_string(having_text.size()) + " groups") +
                    "; groups are" + labels);
}

/// Of the baselines, the one that the group shares the most settings with.
size_t NearestBaseline(const std::vector<RunGroup>& groups, const std::vector<size_t>& baselines,
                       size_t group) {
  size_t nearest = baselines[0];
  int most = -1;
  bool tie = false;
  for (const size_t baseline : baselines) {
    if (baseline == group) return group;
    int shared = 0;
    for (const std::string& part : LabelParts(groups[baseline].label))
      shared += HasParts(groups[group].label, {part}) ? 1 : 0;
    tie = shared == most || (tie && shared < most);
    if (shared > most) {
      nearest = baseline;
      most = shared;
    }
  }
  if (tie)
    throw ConfigError("--baseline names " + std::to_string(baselines.size()) +
                      " groups, and more than one of them is as much like " + groups[group].label +
                      " as " + groups[nearest].label + " is; add settings that tell them apart");
  return nearest;
}

std::optional<double> ValueOf(const Outcome& outcome, Aspect aspect) {
  if (aspect == Aspect::kArea) return outcome.area;
  return aspect == Aspect::kBest ? outcome.best : outcome.final_value;
}

std::vector<double> ValuesOf(const std::vector<Outcome>& outcomes, Aspect aspect) {
  std::vector<double> values;
  for (const Outcome& outcome : outcomes) {
    if (const auto value = ValueOf(outcome, aspect)) values.push_back(*value);
  }
  return values;
}

/// The outcomes of a group's runs that count, one a seed.
GroupResult ResultOf(const RunGroup& group, const Comparison& comparison,
                     std::vector<LeftOut>& left_out) {
  GroupResult result;
  result.label = group.label;
  for (const RecordedRun* run : group.runs) {
    std::string why = WhyLeftOut(*run, comparison.view);
    if (why.empty() && !result.outcomes.empty() &&
        result.outcomes.back().run->seed() == run->seed())
      why = "has the seed of " + result.outcomes.back().run->folder;
    if (!why.empty()) {
      left_out.push_back({run, why});
      continue;
    }
    result.outcomes.push_back(OutcomeOf(*run, comparison.view));
    if (result.outcomes.back().diverged) ++result.diverged;
  }
  const auto estimate = [&](Aspect aspect) {
    return EstimateOf(ValuesOf(result.outcomes, aspect), comparison.confidence);
  };
  result.final_value = estimate(Aspect::kFinal);
  result.best = estimate(Aspect::kBest);
  result.area = estimate(Aspect::kArea);
  return result;
}

/// The best value that every run reaches which has completed.
std::optional<double> CommonTarget(const std::vector<GroupResult>& groups, const MetricView& view) {
  std::optional<double> target;
  for (const GroupResult& group : groups) {
    for (const Outcome& outcome : group.outcomes) {
      if (!outcome.diverged && (!target || view.Reaches(*target, outcome.best)))
        target = outcome.best;
    }
  }
  return target;
}

void TakeTargetCosts(GroupResult& group, double target, const MetricView& view) {
  if (group.outcomes.empty()) return;
  std::vector<double> rounds, bytes, seconds;
  for (const Outcome& outcome : group.outcomes) {
    const TargetCost cost = CostOf(outcome, target, view);
    if (cost.reached()) ++group.reached;
    rounds.push_back(cost.rounds);
    bytes.push_back(cost.bytes);
    seconds.push_back(cost.seconds);
  }
  group.to_target = TargetCost{Median(rounds), Median(bytes), Median(seconds)};
}

struct Pairs {
  std::vector<uint64_t> seeds;
  std::vector<double> differences;
  InCommon common = {true, true, true};
};

Pairs PairsOf(const GroupResult& group, const GroupResult& baseline, Aspect aspect) {
  Pairs pairs;
  for (const Outcome& a : group.outcomes) {
    for (const Outcome& b : baseline.outcomes) {
      const std::optional<double> of_a = ValueOf(a, aspect), of_b = ValueOf(b, aspect);
      if (a.run->seed() != b.run->seed() || !of_a || !of_b) continue;
      const InCommon common = CommonOf(*a.run, *b.run);
      pairs.common.data &= common.data;
      pairs.common.cohorts &= common.cohorts;
      pairs.common.initial_model &= common.initial_model;
      pairs.seeds.push_back(a.run->seed());
      pairs.differences.push_back(*of_a - *of_b);
    }
  }
  return pairs;
}

void TakeTest(const TTest& test, Difference& difference) {
  difference.mean = test.mean;
  difference.interval = test.interval;
  difference.p = test.p;
}

void TakePairs(const Pairs& pairs, double confidence, Difference& difference) {
  const std::vector<double>& differences = pairs.differences;
  difference.paired_seeds = pairs.seeds;
  difference.common = pairs.common;
  difference.mean = Mean(differences);
  if (differences.size() < 2) return;
  TakeTest(StudentTest(differences, confidence), difference);
  difference.bootstrap =
      BcaInterval(differences, ResampledMeans(differences, kResamples), confidence);
  if (differences.size() <= kMaxSignFlips) difference.p_sign_flip = SignFlipP(differences);
  difference.effect = CohenDz(differences);
}

Difference DifferenceOf(const GroupResult& group, const GroupResult& baseline,
                        const Comparison& comparison) {
  Difference difference;
  const std::vector<double> a = ValuesOf(group.outcomes, comparison.of);
  const std::vector<double> b = ValuesOf(baseline.outcomes, comparison.of);
  if (a.empty() || b.empty()) {
    difference.why_unpaired = "no values";
    return difference;
  }
  const Pairs pairs = PairsOf(group, baseline, comparison.of);
  const bool can_be_welch = a.size() >= 2 && b.size() >= 2;
  if (pairs.seeds.empty()) {
    difference.why_unpaired = "no seeds in common";
  } else if (!pairs.common.data) {
    difference.why_unpaired = kOtherData;
  } else if (pairs.seeds.size() == 1 && can_be_welch) {
    difference.why_unpaired = "only one seed in common";
  } else {
    TakePairs(pairs, comparison.confidence, difference);
    return difference;
  }
  difference.mean = Mean(a) - Mean(b);
  if (can_be_welch) {
    TakeTest(WelchTest(a, b, comparison.confidence), difference);
    difference.effect = HedgesG(a, b);
  }
  return difference;
}

void AdjustP(std::vector<Difference>& differences) {
  std::vector<double> p;
  for (const Difference& difference : differences) {
    if (difference.p) p.push_back(*difference.p);
  }
  const std::vector<double> adjusted = HolmAdjust(p);
  size_t next = 0;
  for (Difference& difference : differences) {
    if (difference.p) difference.p_holm = adjusted[next++];
  }
}

size_t FirstWithOutcomes(const std::vector<GroupResult>& groups) {
  const auto first = std::find_if(groups.begin(), groups.end(),
                                  [](const GroupResult& each) { return !each.outcomes.empty(); });
  return static_cast<size_t>(first - groups.begin());
}

void RequireOutcomes(const Comparison& comparison) {
  if (FirstWithOutcomes(comparison.groups) < comparison.groups.size()) return;
  std::string runs;
  for (const LeftOut& each : comparison.left_out)
    runs += "\n  " + each.run->folder + " " + each.why;
  throw DataError("no run can be compared" + runs);
}

}  // namespace

std::string Show(Aspect aspect) {
  return aspect == Aspect::kFinal ? "final" : aspect == Aspect::kBest ? "best" : "AUC";
}

Estimate EstimateOf(std::vector<double> values, double confidence) {
  Estimate estimate;
  if (!values.empty()) estimate.mean = Mean(values);
  if (values.size() >= 2) {
    estimate.sd = StandardDeviation(values);
    estimate.interval = TInterval(values, confidence);
    estimate.bootstrap = BcaInterval(values, ResampledMeans(values, kResamples), confidence);
  }
  estimate.values = std::move(values);
  return estimate;
}

Comparison Compare(const std::vector<RecordedRun>& runs, const CompareOptions& options) {
  if (!(options.confidence > 0 && options.confidence < 1))
    throw ConfigError("--confidence must be above 0 and below 1, such as 0.95, got " +
                      ShowNumber(options.confidence));
  Comparison comparison;
  comparison.view.metric = ChooseMetric(options.metric, runs);
  comparison.view.higher_is_better = HigherIsBetter(comparison.view.metric);
  comparison.view.rounds = options.rounds;
  comparison.of = options.of;
  comparison.confidence = options.confidence;

  const std::vector<RunGroup> groups = GroupRuns(runs);
  for (const RunGroup& group : groups)
    comparison.groups.push_back(ResultOf(group, comparison, comparison.left_out));
  RequireOutcomes(comparison);
  const std::vector<size_t> baselines =
      options.baseline.empty() ? std::vector<size_t>{FirstWithOutcomes(comparison.groups)}
                               : FindBaselines(groups, options.baseline);
  comparison.baseline = baselines.size() > 1 ? options.baseline : groups[baselines[0]].label;
  for (size_t i = 0; i < groups.size(); ++i) {
    GroupResult& group = comparison.groups[i];
    group.baseline = group.outcomes.empty() ? i : NearestBaseline(groups, baselines, i);
  }

  comparison.target_is_given = options.target.has_value();
  comparison.target =
      options.target ? options.target : CommonTarget(comparison.groups, comparison.view);
  for (size_t i = 0; i < comparison.groups.size(); ++i) {
    GroupResult& group = comparison.groups[i];
    if (comparison.target) TakeTargetCosts(group, *comparison.target, comparison.view);
    if (i == group.baseline) continue;
    comparison.differences.push_back(
        DifferenceOf(group, comparison.groups[group.baseline], comparison));
    comparison.differences.back().group = i;
  }
  AdjustP(comparison.differences);
  return comparison;
}

}  // namespace flsim
