#include "engine/sweep/sweep.h"

#include <algorithm>
#include <map>
#include <set>

#include "engine/core/error.h"
#include "engine/core/options.h"
#include "engine/sweep/halving.h"
#include "engine/sweep/trial_runner.h"

namespace flsim {

std::vector<std::string> CheckTrials(const Sweep& sweep) {
  constexpr size_t kShown = 10;
  std::vector<std::string> problems, warnings = sweep.warnings;
  std::set<std::string> metrics;
  std::set<int64_t> rounds;
  for (const Trial& trial : sweep.trials) {
    try {
      const Experiment experiment = BuildTrial(trial);
      for (const std::string& warning : experiment.Warnings()) {
        if (std::find(warnings.begin(), warnings.end(), warning) == warnings.end())
          warnings.push_back(warning);
      }
      if (sweep.halving && problems.empty()) CheckHalving(sweep, experiment);
      metrics.insert(*experiment.config().stop.metric);
      rounds.insert(experiment.config().rounds);
    } catch (const ConfigError& error) {
      problems.emplace_back(error.what());
    }
  }
  if (sweep.halving && rounds.size() > 1)
    throw ConfigError(sweep.file + ": halving: trials have different rounds (" +
                      std::to_string(*rounds.begin()) + " to " + std::to_string(*rounds.rbegin()) +
                      "); it decides itself how far each of them runs");
  if (problems.empty() && metrics.size() > 1) {
    const std::vector<std::string> names(metrics.begin(), metrics.end());
    const std::string watched = "trials watch different metrics (" + JoinNames(names) + ")";
    if (sweep.halving && !sweep.halving->metric)
      throw ConfigError(sweep.file + ": halving.metric: " + watched + "; name one");
    if (!sweep.halving) {
      warnings.push_back(watched +
                         "; the leaderboard is by the first trial's; name one for all as "
                         "stop.metric of the base");
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
  return BuildTrial(sweep.trials[0]).config().output.dir + "/" + sweep.name;
}

std::vector<TrialCost> MeasureTrials(const std::vector<const Trial*>& trials, LoadedData& data,
                                     const std::atomic<bool>& stop) {
  std::map<std::string, TrialCost> measured;  // a round's cost, by what it depends on
  std::vector<TrialCost> costs;
  std::unique_ptr<Experiment> last;  // its data are kept until the next one has them
  for (const Trial* trial : trials) {
    auto experiment = std::make_unique<Experiment>(BuildTrial(*trial));
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
