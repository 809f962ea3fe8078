#include "engine/analysis/comparison_warnings.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "engine/core/json.h"

namespace flsim {
namespace {

constexpr size_t kShown = 4;
constexpr size_t kFewSeeds = 5;
/// A bootstrap from fewer values hardly reaches its nominal confidence.
constexpr size_t kFewForBootstrap = 10;

/// "a; b; c; d; and 3 more".
std::string Join(const std::vector<std::string>& items) {
  std::string text;
  for (size_t i = 0; i < std::min(items.size(), kShown); ++i)
    text += (i > 0 ? "; " : "") + items[i];
  if (items.size() > kShown) text += "; and " + std::to_string(items.size() - kShown) + " more";
  return text;
}

void AddLeftOut(const Comparison& comparison, std::vector<std::string>& warnings) {
  std::vector<std::string> runs;
  for (const LeftOut& each : comparison.left_out)
    runs.push_back(each.run->folder + " (" + each.why + ")");
  if (!runs.empty()) warnings.push_back("left out: " + Join(runs));
}

void AddEndedEarly(const Comparison& comparison, std::vector<std::string>& warnings) {
  std::vector<std::string> diverged, stopped;
  for (const GroupResult& group : comparison.groups) {
    for (const Outcome& outcome : group.outcomes) {
      const RecordedRun& run = *outcome.run;
      const std::string name =
          run.folder + " (after round " + std::to_string(run.last_round()) + ")";
      if (outcome.diverged) diverged.push_back(name);
      if (run.summary.is_object() && run.summary.contains("stopped")) stopped.push_back(name);
    }
  }
  if (!diverged.empty())
    warnings.push_back(
        "diverged, and counted with the last value that was recorded, carried on to the last "
        "round: " +
        Join(diverged));
  if (!stopped.empty())
    warnings.push_back("ended early on purpose, and counted as they ended: " + Join(stopped));
}

/// The fewest pairs of a paired difference, of 2 or more; 0 if there is none.
size_t FewestPairs(const Comparison& comparison) {
  size_t fewest = 0;
  for (const Difference& difference : comparison.differences) {
    const size_t pairs = difference.paired_seeds.size();
    if (pairs >= 2 && (fewest == 0 || pairs < fewest)) fewest = pairs;
  }
  return fewest;
}

void AddFewSeeds(const Comparison& comparison, std::vector<std::string>& warnings) {
  std::vector<std::string> one, few;
  size_t fewest = kFewForBootstrap;
  for (const GroupResult& group : comparison.groups) {
    const size_t seeds = group.outcomes.size();
    if (seeds == 1) one.push_back(group.label);
    if (seeds > 1 && seeds < kFewSeeds)
      few.push_back(group.label + " (" + std::to_string(seeds) + ")");
    if (seeds > 1) fewest = std::min(fewest, seeds);
  }
  const auto named = [&](const std::vector<std::string>& groups) {
    return groups.size() == comparison.groups.size() ? "every group" : Join(groups);
  };
  if (!one.empty()) warnings.push_back("one seed gives no interval and no test: " + named(one));
  if (!few.empty())
    warnings.push_back("fewer than " + std::to_string(kFewSeeds) +
                       " seeds: t intervals are wide, and differences that matter may not be "
                       "significant: " +
                       named(few));
  if (fewest < kFewForBootstrap)
    warnings.push_back("a bootstrap interval of fewer than " + std::to_string(kFewForBootstrap) +
                       " seeds is too narrow; go by the t interval");
  const size_t pairs = FewestPairs(comparison);
  const double least = std::ldexp(2, -static_cast<int>(pairs));
  if (pairs > 0 && least > 1 - comparison.confidence)
    warnings.push_back("a sign-flip test over " + std::to_string(pairs) +
                       " pairs can't give a p below " + ShowNumber(least));
}

/// The runs of a group and of the baseline that stand for their configs.
const Json& ConfigOf(const GroupResult& group) { return group.outcomes[0].run->config; }

void AddOtherData(const Comparison& comparison, std::vector<std::string>& warnings) {
  std::vector<std::string> data, partition, changed, partly;
  std::set<std::string> empty;
  for (const Difference& difference : comparison.differences) {
    const GroupResult& group = comparison.groups[difference.group];
    const GroupResult& baseline = comparison.groups[group.baseline];
    if (baseline.outcomes.empty()) empty.insert(baseline.label);
    if (group.outcomes.empty() || baseline.outcomes.empty()) continue;
    if (!difference.paired_seeds.empty()) {
      const size_t most = std::max(group.outcomes.size(), baseline.outcomes.size());
      if (difference.paired_seeds.size() < most)
        partly.push_back(group.label + " (" + std::to_string(difference.paired_seeds.size()) +
                         " of " + std::to_string(most) + ")");
      continue;
    }
    const auto differing = [&](const char* block) {
      return BlockDifferences(ConfigOf(baseline), ConfigOf(group), block);
    };
    const std::string other_data = differing("dataset");
    std::string other_partition = differing("partition");
    if (other_partition.empty()) other_partition = differing("evaluation.held_out");
    if (!other_data.empty()) data.push_back(group.label + " has other " + other_data);
    if (!other_partition.empty())
      partition.push_back(group.label + " has other " + other_partition);
    if (other_data.empty() && other_partition.empty()) {
      if (difference.why_unpaired == kOtherData)
        changed.push_back(group.label);
      else
        partly.push_back(group.label + " (" + difference.why_unpaired + ")");
    }
  }
  for (const std::string& label : empty)
    warnings.push_back("no run of the baseline " + label + " counts");
  if (!data.empty())
    warnings.push_back("not comparable with the baseline unless the test examples are the same: " +
                       Join(data));
  if (!partition.empty())
    warnings.push_back("not paired with the baseline, as clients hold other examples: " +
                       Join(partition));
  if (!changed.empty())
    warnings.push_back(
        "not paired with the baseline: checkpoints of the same seed note other data or partitions, "
        "though the configs ask for the same; was a file of theirs changed? " +
        Join(changed));
  if (!partly.empty())
    warnings.push_back("not all seeds are those of the baseline: " + Join(partly));
}

void AddRounds(const Comparison& comparison, std::vector<std::string>& warnings) {
  std::set<int64_t> rounds;
  for (const GroupResult& group : comparison.groups) {
    for (const Outcome& outcome : group.outcomes)
      rounds.insert(static_cast<int64_t>(outcome.curve.back().first));
  }
  if (rounds.size() < 2) return;
  warnings.push_back("runs end at different rounds, " + std::to_string(*rounds.begin()) + " to " +
                     std::to_string(*rounds.rbegin()) + ": final, best and AUC favour the longer" +
                     (*rounds.begin() == 0 ? ""
                                           : "; --rounds " + std::to_string(*rounds.begin()) +
                                                 " looks at the same ones"));
}

void AddMachines(const Comparison& comparison, std::vector<std::string>& warnings) {
  std::set<std::string> machines, versions;
  for (const GroupResult& group : comparison.groups) {
    for (const Outcome& outcome : group.outcomes) {
      const Json& summary = outcome.run->summary;
      Json machine;
      for (const char* key : {"runtime.workers", "runtime.devices"})
        machine.push_back(ValueAt(outcome.run->config, key));
      for (const char* key : {"machine.cpu", "machine.cores"})
        machine.push_back(ValueAt(summary, key));
      machines.insert(machine.dump());
      if (summary.is_object()) versions.insert(summary.value("version", "unknown"));
    }
  }
  if (machines.size() > 1)
    warnings.push_back(
        "seconds don't compare: runs were made with different processors, workers or devices");
  if (versions.size() > 1) {
    std::string names;
    for (const std::string& version : versions) names += (names.empty() ? "" : ", ") + version;
    warnings.push_back("runs were made by different versions of flsim: " + names);
  }
}

}  // namespace

std::vector<std::string> WarningsOf(const Comparison& comparison) {
  std::vector<std::string> warnings;
  AddLeftOut(comparison, warnings);
  AddEndedEarly(comparison, warnings);
  AddFewSeeds(comparison, warnings);
  AddOtherData(comparison, warnings);
  AddRounds(comparison, warnings);
  AddMachines(comparison, warnings);
  return warnings;
}

}  // namespace flsim
