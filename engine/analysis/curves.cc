#include "engine/analysis/curves.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "engine/core/error.h"

namespace flsim {
namespace {

using Points = std::vector<std::pair<int64_t, double>>;

/// The rounds that stay: all up to `most`, else about that many, evenly spread, and those of
/// `keep`.
std::vector<int64_t> Thinned(const std::vector<int64_t>& rounds, size_t most,
                             const std::set<int64_t>& keep) {
  if (rounds.size() <= most) return rounds;
  std::set<int64_t> kept = keep;
  const size_t steps = std::max<size_t>(most, keep.size() + 2) - keep.size() - 1;
  for (size_t i = 0; i <= steps; ++i) kept.insert(rounds[i * (rounds.size() - 1) / steps]);
  return {kept.begin(), kept.end()};
}

const std::pair<int64_t, double>& Best(const Points& points, bool higher_is_better) {
  const auto less = [](const auto& a, const auto& b) { return a.second < b.second; };
  return higher_is_better ? *std::max_element(points.begin(), points.end(), less)
                          : *std::min_element(points.begin(), points.end(), less);
}

double ValueAt(const Points& points, int64_t round) {
  const auto found = std::lower_bound(points.begin(), points.end(), round,
                                      [](const auto& point, int64_t r) { return point.first < r; });
  const bool here = found != points.end() && found->first == round;
  return here ? found->second : std::numeric_limits<double>::quiet_NaN();
}

/// Mean, spread and number of the values that are there.
void Join(size_t at, GroupCurve& curve) {
  double sum = 0, low = std::numeric_limits<double>::infinity(), high = -low;
  int n = 0;
  for (const auto& values : curve.each) {
    if (std::isnan(values[at])) continue;
    sum += values[at];
    low = std::min(low, values[at]);
    high = std::max(high, values[at]);
    ++n;
  }
  const double mean = sum / n;
  double squares = 0;
  for (const auto& values : curve.each)
    if (!std::isnan(values[at])) squares += (values[at] - mean) * (values[at] - mean);
  curve.runs.push_back(n);
  curve.mean.push_back(mean);
  curve.std.push_back(n > 1 ? std::sqrt(squares / (n - 1)) : 0);
  curve.min.push_back(low);
  curve.max.push_back(high);
}

/// Running sums of several metrics of a run; a round that lacks one adds nothing.
Points Total(const RecordedRun& run, const std::vector<std::string>& metrics) {
  Points total;
  for (const Json& round : run.rounds) {
    double sum = total.empty() ? 0 : total.back().second;
    for (const std::string& metric : metrics) {
      const auto found = round.find(metric);
      if (found != round.end() && found->is_number()) sum += found->get<double>();
    }
    total.emplace_back(round.at("round").get<int64_t>(), sum);
  }
  return total;
}

/// The means of running sums at these rounds; a run counts as far as it got.
std::vector<double> MeanTotal(const RunGroup& group, const std::vector<int64_t>& rounds,
                              const std::vector<std::string>& metrics) {
  std::vector<double> sums(rounds.size(), 0);
  std::vector<int> runs(rounds.size(), 0);
  for (const RecordedRun* run : group.runs) {
    const Points total = Total(*run, metrics);
    size_t at = 0;
    for (size_t i = 0; i < rounds.size(); ++i) {
      while (at < total.size() && total[at].first < rounds[i]) ++at;
      if (at == total.size()) break;
      sums[i] += total[at].second;
      ++runs[i];
    }
  }
  for (size_t i = 0; i < sums.size(); ++i) sums[i] /= std::max(1, runs[i]);
  return sums;
}

}  // namespace

GroupCurve CurveOf(const RunGroup& group, const std::string& metric, size_t most_points) {
  std::vector<Points> series;
  std::vector<int64_t> rounds;
  std::set<int64_t> keep;
  for (const RecordedRun* run : group.runs) {
    series.push_back(Series(*run, metric));
    if (series.back().empty()) continue;
    for (const auto& point : series.back()) rounds.push_back(point.first);
    keep.insert({series.back().front().first, Best(series.back(), HigherIsBetter(metric)).first,
                 series.back().back().first});
  }
  std::sort(rounds.begin(), rounds.end());
  rounds.erase(std::unique(rounds.begin(), rounds.end()), rounds.end());

  GroupCurve curve;
  curve.thinned_from = rounds.size();
  curve.rounds = Thinned(rounds, most_points, keep);
  for (const Points& points : series) {
    curve.each.emplace_back();
    for (const int64_t round : curve.rounds) curve.each.back().push_back(ValueAt(points, round));
  }
  for (size_t i = 0; i < curve.rounds.size(); ++i) Join(i, curve);
  return curve;
}

Spending SpendingAt(const RunGroup& group, const std::vector<int64_t>& rounds) {
  return {MeanTotal(group, rounds, {"wall_s"}),
          MeanTotal(group, rounds, {"bytes_up", "bytes_down"})};
}

std::vector<std::string> RecordedMetrics(const std::vector<RecordedRun>& runs) {
  std::vector<std::string> metrics;
  std::set<std::string> seen = {"round"};
  const auto add = [&](const std::string& name, const Json& value) {
    if (value.is_number() && seen.insert(name).second) metrics.push_back(name);
  };
  for (const RecordedRun& run : runs) {
    for (const Json& round : run.rounds) {
      for (const auto& item : round.items()) {
        add(item.key(), item.value());
        if (!item.value().is_object()) continue;
        for (const auto& inner : item.value().items())
          add(item.key() + "." + inner.key(), inner.value());
      }
    }
  }
  return metrics;
}

std::string ChosenMetric(const std::vector<RecordedRun>& runs, const std::string& metric) {
  if (metric.empty()) return MainMetric(runs);
  const std::vector<std::string> recorded = RecordedMetrics(runs);
  if (std::find(recorded.begin(), recorded.end(), metric) != recorded.end()) return metric;
  std::string text = "--metric " + metric + ": no run has recorded it; ";
  if (recorded.empty()) throw ConfigError(text + "nothing is recorded yet");
  text += "recorded are ";
  for (size_t i = 0; i < recorded.size(); ++i) text += (i == 0 ? "" : ", ") + recorded[i];
  throw ConfigError(text);
}

std::string MetricLabel(const std::string& metric) {
  std::string label = metric;
  for (size_t at; (at = label.find('.')) != std::string::npos;) label.replace(at, 1, ", ");
  std::replace(label.begin(), label.end(), '_', ' ');
  if (label.size() > 2 && label.compare(label.size() - 2, 2, " s") == 0)
    label.replace(label.size() - 2, 2, " (s)");
  return label;
}

}  // namespace flsim
