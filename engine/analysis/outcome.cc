#include "engine/analysis/outcome.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/analysis/statistics.h"
#include "engine/core/error.h"

namespace flsim {
namespace {

/// 0 where there is none, as in round 0.
double NumberAt(const Json& record, const char* key) {
  const Json value = ValueAt(record, key);
  return value.is_number() ? value.get<double>() : 0;
}

/// The rounds that a run's config asks for, as far as they are looked at.
int64_t Planned(const RecordedRun& run, const MetricView& view) {
  const int64_t rounds = run.config.value("rounds", int64_t{0});
  return view.rounds ? std::min(*view.rounds, rounds) : rounds;
}

std::vector<std::pair<double, double>> Curve(const RecordedRun& run, const MetricView& view) {
  std::vector<std::pair<double, double>> curve;
  for (const auto& [round, value] : Series(run, view.metric)) {
    if (!view.rounds || round <= *view.rounds)
      curve.emplace_back(static_cast<double>(round), value);
  }
  return curve;
}

/// Whether a run diverged within the rounds that are looked at. One whose last test was not finite
/// has a record of its last round all the same.
bool Diverged(const RecordedRun& run, const MetricView& view) {
  const int64_t planned = Planned(run, view);
  return run.status() == "diverged" &&
         (run.last_round() < planned || planned == run.config.value("rounds", int64_t{0}));
}

}  // namespace

std::string WhyLeftOut(const RecordedRun& run, const MetricView& view) {
  const int64_t planned = Planned(run, view), done = run.last_round();
  const std::string status = run.status();
  const bool on_purpose = run.summary.is_object() && run.summary.contains("stopped");
  const bool ended = status == "completed" || status == "diverged" || on_purpose;
  if (done < planned && !ended) {
    return status +
           (done < 0 ? " before its first round"
                     : " after round " + std::to_string(done) + " of " + std::to_string(planned));
  }
  if (done < planned && run.summary.is_object() && run.summary.value("rounds", done) > done)
    return "has lost records: rounds.jsonl ends with round " + std::to_string(done) +
           ", its summary tells of " + run.summary.at("rounds").dump();
  if (Curve(run, view).empty()) return "has no " + view.metric;
  return "";
}

Outcome OutcomeOf(const RecordedRun& run, const MetricView& view) {
  Outcome outcome;
  outcome.run = &run;
  outcome.curve = Curve(run, view);
  FLSIM_CHECK(!outcome.curve.empty(), run.folder, view.metric);
  outcome.final_value = outcome.best = outcome.curve.back().second;
  for (const auto& [round, value] : outcome.curve) {
    if (view.Reaches(value, outcome.best)) outcome.best = value;
  }
  outcome.diverged = Diverged(run, view);
  const auto planned = static_cast<double>(Planned(run, view));
  if (outcome.diverged && outcome.curve.back().first < planned)
    outcome.curve.emplace_back(planned, outcome.final_value);
  const double rounds = outcome.curve.back().first - outcome.curve.front().first;
  if (rounds > 0) outcome.area = TrapezoidArea(outcome.curve) / rounds;
  return outcome;
}

bool TargetCost::reached() const { return std::isfinite(rounds); }

TargetCost CostOf(const Outcome& outcome, double target, const MetricView& view) {
  const auto reaching =
      std::find_if(outcome.curve.begin(), outcome.curve.end(),
                   [&](const auto& point) { return view.Reaches(point.second, target); });
  if (reaching == outcome.curve.end()) {
    constexpr double kNever = std::numeric_limits<double>::infinity();
    return {kNever, kNever, kNever};
  }
  TargetCost cost;
  cost.rounds = reaching->first;
  for (const Json& record : outcome.run->rounds) {
    if (record.at("round").get<double>() > cost.rounds) break;
    cost.bytes += NumberAt(record, "bytes_up") + NumberAt(record, "bytes_down");
    cost.seconds += NumberAt(record, "wall_s");
  }
  return cost;
}

}  // namespace flsim
