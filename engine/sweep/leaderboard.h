// A sweep's points, the best first.
#pragma once

#include <string>
#include <vector>

#include "engine/analysis/runs.h"
#include "engine/sweep/sweep_folder.h"

namespace flsim {

/// One point of a sweep, over its seeds.
struct Rank {
  int64_t point = 0;
  std::string label;  ///< its settings: "strategy=fedprox, training.lr=0.1"
  std::vector<int64_t> trials;
  int64_t rounds = 0;     ///< that all of its trials have done which are not completed, or else all
  bool complete = false;  ///< whether all of them are completed
  int64_t seeds = 0, without = 0;  ///< trials with a value, and without: diverged, failed, not run
  /// Of the last value, meaningless without seeds; sample standard deviation, 0 for one seed.
  double mean = 0, std = 0;
  double best = 0;  ///< of all rounds and seeds
};

/// What a sweep's points are ranked by, as Series() names it: the metric of its halving, else the
/// stop.metric of the first trial that has begun, which has a default.
std::string RankingMetric(const Sweep& sweep, const SweepFolder& folder);

/// The points by what they have of the metric in rounds 0 .. last: first those whose trials all
/// have a value, and of them those that are complete, by the mean over their seeds, then those that
/// went further; last those without any value.
std::vector<Rank> Rankings(const Sweep& sweep, const SweepFolder& folder, int64_t last);

/// The first `rows` of them as a table.
std::string ShowLeaderboard(const std::vector<Rank>& ranks, const std::string& metric, size_t rows);
/// All of them, for leaderboard.csv.
std::string LeaderboardCsv(const std::vector<Rank>& ranks, const std::string& metric);

}  // namespace flsim
