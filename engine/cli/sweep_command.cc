// flsim sweep: many experiments from one file.
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <map>

#include "engine/cli/commands.h"
#include "engine/cli/progress.h"
#include "engine/cli/signals.h"
#include "engine/cli/summary.h"
#include "engine/cli/sweep_progress.h"
#include "engine/core/device.h"
#include "engine/core/error.h"
#include "engine/core/files.h"
#include "engine/core/text.h"
#include "engine/sweep/leaderboard.h"
#include "engine/sweep/sweep.h"

namespace flsim {
namespace {

/// The workers of a trial that the base asks for; 0: as many as suit.
int WantedWorkers(const Sweep& sweep) {
  const Json runtime = sweep.definition.at("base").value("runtime", Json());
  return runtime.is_object() ? runtime.value("workers", 0) : 0;
}

std::string PlanText(const SweepPlan& plan, size_t remaining, bool halving) {
  std::string text = ShowInteger(static_cast<int64_t>(remaining)) + " to run, " +
                     std::to_string(plan.parallel) +
                     (plan.parallel == 1 ? " at a time" : " side by side") + " with " +
                     std::to_string(plan.workers) + (plan.workers == 1 ? " worker" : " workers") +
                     (plan.parallel == 1 ? "" : " each");
  text += ", about " +
          (plan.seconds < 10 ? Format("%.1g s", plan.seconds) : ShowDuration(plan.seconds)) +
          (halving ? " if none were dropped" : "");
  return text + " and " + ShowInteger((PeakMemory() + plan.bytes) / 1000000) + " MB of memory";
}

/// trials.csv, leaderboard.csv, and the best of it on standard output.
void Collect(const Sweep& sweep, const SweepFolder& folder, bool quiet) {
  constexpr size_t kRows = 10;
  folder.WriteTrials();
  const std::string metric = RankingMetric(sweep, folder);
  const std::vector<Rank> ranks = Rankings(sweep, folder, kToTheEnd);
  WriteFileAtomically(folder.path() + "/leaderboard.csv", LeaderboardCsv(ranks, metric));
  if (quiet) return;
  std::map<std::string, int64_t> counts;
  for (const Trial& trial : sweep.trials) ++counts[folder.State(trial).status];
  std::string text;
  for (const auto& [status, count] : counts)
    text += (text.empty() ? "" : ", ") + ShowInteger(count) + " " + status;
  std::cout << ShowLeaderboard(ranks, metric, kRows) << "  trials   " << text << "\n  results  "
            << folder.path() << " (trials.csv, leaderboard.csv, a run folder for each trial)\n";
}

}  // namespace

int SweepCommand(const SweepFlags& flags) {
  StopOnSignals();
  const Sweep sweep = ReadSweep(flags.config.config, flags.config.set);
  const Shard shard = flags.shard.empty() ? Shard{} : ParseShard(flags.shard);
  if (sweep.halving && !shard.is_whole())
    throw ConfigError("--shard: halving compares all trials, so it can't be run in parts");
  if (flags.output.force && !shard.is_whole())
    throw ConfigError("--force would clear the other shards, too; remove the folder before them");
  if (flags.output.force && flags.collect)
    throw ConfigError("--force would clear what --collect reads; leave one of them out");
  const std::string progress = ProgressKind(flags.output.progress);
  const bool quiet = progress == "none";
  const std::vector<std::string> warnings = CheckTrials(sweep);
  const std::string& out = flags.output.out;
  SweepFolder folder(out.empty() ? SweepDir(sweep) : out, sweep, flags.output.force);
  if (flags.collect) {
    if (!Exists(folder.path() + "/sweep.json"))
      throw DataError(folder.path() + " holds no sweep (it has no sweep.json); nothing to collect");
    Collect(sweep, folder, quiet);
    return 0;
  }
  const std::vector<const Trial*> remaining = Remaining(sweep, folder, shard);
  const auto total = std::count_if(sweep.trials.begin(), sweep.trials.end(),
                                   [&](const Trial& trial) { return shard.Has(trial); });
  if (!quiet) {
    std::fprintf(stderr, "%s: %s\n%s", sweep.name.c_str(), CountText(sweep).c_str(),
                 WarningLines(warnings).c_str());
  }
  LoadedData data;
  const std::vector<TrialCost> costs = MeasureTrials(remaining, data, StopRequested());
  const SweepPlan plan = PlanSweep(costs, AvailableCores(), AvailableMemory() / 10 * 9,
                                   static_cast<int>(flags.parallel), WantedWorkers(sweep));
  if (!quiet || flags.dry_run) {
    std::fprintf(flags.dry_run ? stdout : stderr, "%s\n",
                 PlanText(plan, remaining.size(), sweep.halving.has_value()).c_str());
  }
  if (flags.dry_run) return 0;

  folder.Begin(shard);
  {
    const auto observer = MakeSweepProgress(
        progress, total, total - static_cast<int64_t>(remaining.size()), plan.seconds);
    try {
      RunSweep(sweep, folder, shard, plan, data, *observer, StopRequested());
    } catch (const InterruptedError&) {
      if (shard.is_whole()) folder.WriteTrials();
      throw;
    }
  }
  if (shard.is_whole()) {
    Collect(sweep, folder, quiet);
  } else if (!quiet) {
    std::fprintf(stderr, "shard %s is done; flsim sweep --collect joins the shards\n",
                 flags.shard.c_str());
  }
  const auto failed =
      std::count_if(sweep.trials.begin(), sweep.trials.end(), [&](const Trial& trial) {
        return shard.Has(trial) && folder.State(trial).status == "failed";
      });
  if (failed > 0) {
    throw DataError(ShowInteger(failed) + (failed == 1 ? " trial" : " trials") +
                    " failed; see the column reason of trials.csv, and run the same command again "
                    "to try them again");
  }
  return 0;
}

}  // namespace flsim
