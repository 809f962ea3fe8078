#include "engine/sweep/halving.h"

#include <algorithm>
#include <map>
#include <set>

#include "engine/core/error.h"
#include "engine/sweep/leaderboard.h"

namespace flsim {
namespace {

using Points = std::map<int64_t, std::vector<const Trial*>>;

/// The rounds at which points are compared, the last of them the trials' own end.
std::vector<int64_t> Rungs(const Halving& halving, int64_t rounds) {
  std::vector<int64_t> rungs;
  for (int64_t rung = halving.min_rounds; rung < rounds; rung *= halving.eta) rungs.push_back(rung);
  rungs.push_back(rounds);
  return rungs;
}

/// The last round that a trial has recorded; -1 if there is none.
int64_t LastRound(const SweepFolder& folder, const Trial& trial) {
  const std::optional<RecordedRun> run = folder.Recorded(trial);
  return run ? run->last_round() : -1;
}

/// The trials that have yet to come to a rung, or have failed on their way.
std::vector<const Trial*> Due(const Points& points, const SweepFolder& folder, int64_t rung) {
  std::vector<const Trial*> due;
  for (const auto& [point, trials] : points) {
    for (const Trial* trial : trials) {
      const TrialState state = folder.State(*trial);
      if (!state.done() && (state.status == "failed" || LastRound(folder, *trial) < rung))
        due.push_back(trial);
    }
  }
  return due;
}

bool AnyFailed(const Points& points, const SweepFolder& folder) {
  for (const auto& [point, trials] : points) {
    for (const Trial* trial : trials)
      if (folder.State(*trial).status == "failed") return true;
  }
  return false;
}

/// The points that have trials which would go on, the best first.
std::vector<int64_t> Undecided(const Points& points, const Sweep& sweep, const SweepFolder& folder,
                               int64_t rung) {
  std::vector<int64_t> order;
  for (const Rank& rank : Rankings(sweep, folder, rung)) {
    const auto found = points.find(rank.point);
    if (found == points.end()) continue;
    const std::vector<const Trial*>& trials = found->second;
    const auto goes_on = [&](const Trial* trial) {
      return !folder.State(*trial).done() || LastRound(folder, *trial) > rung;
    };
    if (std::any_of(trials.begin(), trials.end(), goes_on)) order.push_back(rank.point);
  }
  return order;
}

/// Takes away the points that a rung drops.
void Drop(const Rung& rung, Points& points, const SweepFolder& folder, TrialRunner& running) {
  const std::set<int64_t> kept(rung.kept.begin(), rung.kept.end());
  for (auto point = points.begin(); point != points.end();) {
    if (kept.count(point->first) > 0) {
      ++point;
      continue;
    }
    for (const Trial* trial : point->second) {
      if (folder.State(*trial).done()) continue;
      running.Drop(*trial, "not among the best " + std::to_string(rung.kept.size()) + " of " +
                               std::to_string(rung.compared) + " points after round " +
                               std::to_string(rung.round));
    }
    point = points.erase(point);
  }
}

}  // namespace

void RunHalving(const Sweep& sweep, SweepFolder& folder, TrialRunner& running) {
  const int64_t rounds = BuildTrial(sweep.trials[0]).config().rounds;
  Points points;
  for (const Trial& trial : sweep.trials) points[trial.point].push_back(&trial);
  std::vector<Rung> decided = folder.Rungs();
  for (const int64_t round : Rungs(*sweep.halving, rounds)) {
    if (round == rounds) {
      running.UpTo(kToTheEnd, Due(points, folder, kToTheEnd));
      return;
    }
    auto rung = std::find_if(decided.begin(), decided.end(),
                             [&](const Rung& each) { return each.round == round; });
    if (rung == decided.end()) {
      running.UpTo(round, Due(points, folder, round));
      if (AnyFailed(points, folder)) return;
      std::vector<int64_t> order = Undecided(points, sweep, folder, round);
      const size_t compared = order.size();
      const size_t kept = std::max<size_t>(1, compared / static_cast<size_t>(sweep.halving->eta));
      order.resize(std::min(kept, compared));
      rung = decided.insert(decided.end(), {round, static_cast<int64_t>(compared), order});
      folder.WriteRungs(decided);
    }
    Drop(*rung, points, folder, running);
  }
}

void CheckHalving(const Sweep& sweep, const Experiment& experiment) {
  const std::string at = sweep.file + ": halving.";
  const std::string metric = sweep.halving->metric.value_or(*experiment.config().stop.metric);
  const std::string why = experiment.WhyNotTaken(metric);
  if (!why.empty()) throw ConfigError(at + "metric: " + why);
  const int64_t every = experiment.config().evaluation.every, least = sweep.halving->min_rounds;
  if (least >= experiment.config().rounds) {
    throw ConfigError(at + "min_rounds: must be less than rounds (" +
                      std::to_string(experiment.config().rounds) + "), got " +
                      std::to_string(least));
  }
  if (metric != "train_loss" && every > least) {
    throw ConfigError(at + "min_rounds: must be at least evaluation.every (" +
                      std::to_string(every) + "), got " + std::to_string(least));
  }
}

}  // namespace flsim
