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
  int64_t rounds = 0;              ///< that all of its trials have done
  int64_t seeds = 0, without = 0;  ///< trials with a value, and without: diverged, failed, not run
  double mean = 0, std = 0;        ///< of the last value; sample standard deviation, 0 for one seed
  double best = 0;                 ///< of all rounds and seeds
};

/// What a sweep's points are ranked by: its halving's metric, else the comparison's default.
std::string RankingMetric(const Sweep& sweep, const SweepFolder& folder);

/// The points that have a value of the metric in rounds 0 .. last: those whose trials all have one
/// first, of them those that went further first, then by the mean over the seeds; then the others.
std::vector<Rank> Rankings(const Sweep& sweep, const SweepFolder& folder, int64_t last);

/// The first `rows` of them as a table.
std::string ShowLeaderboard(const std::vector<Rank>& ranks, const std::string& metric, size_t rows);
/// All of them, for leaderboard.csv.
std::string LeaderboardCsv(const std::vector<Rank>& ranks, const std::string& metric);

}  // namespace flsim
