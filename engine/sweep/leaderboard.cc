#include "engine/sweep/leaderboard.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "engine/analysis/csv.h"
#include "engine/core/text.h"

namespace flsim {
namespace {

/// A label without the seed.
std::string PointLabel(const Trial& trial) {
  const std::string label = trial.Label();
  const size_t seed = label.rfind("seed=");
  return seed == 0 ? "the base" : label.substr(0, seed - 2);
}

}  // namespace

std::string RankingMetric(const Sweep& sweep, const SweepFolder& folder) {
  std::string metric = "test_accuracy";
  if (sweep.halving && sweep.halving->metric) {
    metric = *sweep.halving->metric;
  } else {
    for (const Trial& trial : sweep.trials) {
      const std::optional<RecordedRun> run = folder.Recorded(trial);
      if (!run) continue;
      const Json stop = run->config.value("stop", Json());
      if (stop.is_object() && stop.contains("metric") && stop.at("metric").is_string())
        metric = stop.at("metric").get<std::string>();
      break;
    }
  }
  // summary.json's "client_loss_mean" is the mean of "client_loss" in rounds.jsonl.
  const size_t mean = metric.rfind("_mean");
  if (mean != std::string::npos) metric.replace(mean, 1, ".");
  return metric;
}

std::vector<Rank> Rankings(const Sweep& sweep, const SweepFolder& folder, int64_t last) {
  const std::string metric = RankingMetric(sweep, folder);
  const bool higher = HigherIsBetter(metric);
  std::map<int64_t, Rank> points;
  std::map<int64_t, std::vector<double>> values;  // in the last round, by point
  for (const Trial& trial : sweep.trials) {
    Rank& rank = points[trial.point];
    const bool fresh = rank.trials.empty();
    rank.point = trial.point;
    rank.label = PointLabel(trial);
    rank.trials.push_back(trial.number);
    const std::string status = folder.State(trial).status;
    const std::optional<RecordedRun> run = folder.Recorded(trial);
    std::vector<std::pair<int64_t, double>> series;
    int64_t rounds = 0;
    if (run && status != "diverged") {
      series = Series(*run, metric);
      while (!series.empty() && series.back().first > last) series.pop_back();
      rounds = std::max<int64_t>(0, std::min(last, run->last_round()));
    }
    // A trial that has ended early does not hold back a point that goes on.
    const bool completed = status == "completed";
    if (fresh || (rank.complete && !completed))
      rank.rounds = rounds;
    else if (rank.complete == completed)
      rank.rounds = std::min(rank.rounds, rounds);
    rank.complete = (fresh || rank.complete) && completed;
    if (series.empty()) {
      ++rank.without;
      continue;
    }
    std::vector<double>& of = values[trial.point];
    for (const auto& [round, value] : series) {
      const bool first = of.empty() && round == series.front().first;
      if (first || (higher ? value > rank.best : value < rank.best)) rank.best = value;
    }
    of.push_back(series.back().second);
  }
  std::vector<Rank> ranks;
  for (auto& [point, rank] : points) {
    const std::vector<double>& of = values[point];
    rank.seeds = static_cast<int64_t>(of.size());
    const auto n = static_cast<double>(of.size());
    for (const double value : of) rank.mean += value / n;
    for (const double value : of) rank.std += (value - rank.mean) * (value - rank.mean);
    rank.std = of.size() < 2 ? 0 : std::sqrt(rank.std / (n - 1));
    ranks.push_back(rank);
  }
  std::stable_sort(ranks.begin(), ranks.end(), [&](const Rank& a, const Rank& b) {
    if ((a.without == 0) != (b.without == 0)) return a.without == 0;
    if ((a.seeds == 0) != (b.seeds == 0)) return b.seeds == 0;
    if (a.complete != b.complete) return a.complete;
    if (!a.complete && a.rounds != b.rounds) return a.rounds > b.rounds;
    return higher ? a.mean > b.mean : a.mean < b.mean;
  });
  return ranks;
}

std::string ShowLeaderboard(const std::vector<Rank>& ranks, const std::string& metric,
                            size_t rows) {
  if (ranks.empty()) return "";
  size_t width = 5;
  const size_t shown = std::min(rows, ranks.size());
  for (size_t i = 0; i < shown; ++i) width = std::max(width, ranks[i].label.size());
  const auto padded = [](const std::string& text, size_t to) {
    return text + std::string(to - std::min(to, text.size()), ' ');
  };
  std::string text = "  " + padded("point", width) + "  " + metric +
                     ", last round: mean +- std   best     seeds\n";
  for (size_t i = 0; i < shown; ++i) {
    const Rank& rank = ranks[i];
    std::string mean = rank.seeds == 0 ? "-" : Format("%.4g", rank.mean);
    if (rank.seeds > 1) mean += " +- " + Format("%.2g", rank.std);
    text += "  " + padded(rank.label, width) + "  " + padded(mean, metric.size() + 24) + "  " +
            padded(rank.seeds == 0 ? "-" : Format("%.4g", rank.best), 8) + " " +
            std::to_string(rank.seeds);
    if (rank.without > 0) text += " (" + std::to_string(rank.without) + " more without a value)";
    text += "\n";
  }
  if (shown < ranks.size())
    text += "  ... and " + std::to_string(ranks.size() - shown) + " more in leaderboard.csv\n";
  return text;
}

std::string LeaderboardCsv(const std::vector<Rank>& ranks, const std::string& metric) {
  std::string csv = CsvLine({"rank", "point", "settings", "seeds", "without_value", "rounds",
                             metric + "_mean", metric + "_std", metric + "_best", "trials"});
  for (size_t i = 0; i < ranks.size(); ++i) {
    const Rank& rank = ranks[i];
    const auto number = [&](double value) { return rank.seeds == 0 ? "" : Json(value).dump(); };
    std::string trials;
    for (const int64_t trial : rank.trials)
      trials += (trials.empty() ? "" : " ") + std::to_string(trial);
    csv += CsvLine({std::to_string(i + 1), std::to_string(rank.point), rank.label,
                    std::to_string(rank.seeds), std::to_string(rank.without),
                    std::to_string(rank.rounds), number(rank.mean), number(rank.std),
                    number(rank.best), trials});
  }
  return csv;
}

}  // namespace flsim
