#include "engine/analysis/comparison_document.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "engine/analysis/comparison_warnings.h"
#include "engine/analysis/csv.h"
#include "engine/core/json.h"
#include "engine/core/text.h"

namespace flsim {
namespace {

const char* const kNothing = "–";

/// Decimals that show `digits` significant digits of a number; -1 where it is better shown with an
/// exponent.
int Decimals(double value, int digits) {
  if (value == 0) return digits - 1;
  const double power = std::floor(std::log10(std::abs(value)));
  if (!(power >= -5 && power < 7)) return -1;
  return std::max(0, digits - 1 - static_cast<int>(power));
}

std::string Fixed(double value, int decimals) {
  return decimals < 0 ? Format("%.4g", value) : Format("%.*f", decimals, value);
}

std::string Significant(double value, int digits) { return Fixed(value, Decimals(value, digits)); }

/// So many decimals that half an interval has two significant digits.
int DecimalsOf(const Interval& interval, double mean) {
  const double half = (interval.high - interval.low) / 2;
  return half > 0 ? Decimals(half, 2) : Decimals(mean, 4);
}

/// "0.197 ± 0.012"; the mean alone where nothing is known of it.
std::string Show(const std::optional<double>& mean, const std::optional<Interval>& interval) {
  if (!mean) return kNothing;
  if (!interval) return Significant(*mean, 4);
  const int decimals = DecimalsOf(*interval, *mean);
  return Fixed(*mean, decimals) + " ± " + Fixed((interval->high - interval->low) / 2, decimals);
}

std::string Show(const Estimate& estimate) { return Show(estimate.mean, estimate.interval); }

/// With the decimals of the mean's t interval.
std::string ShowBootstrap(const std::optional<double>& mean, const std::optional<Interval>& t,
                          const std::optional<Interval>& bootstrap) {
  if (!bootstrap) return kNothing;
  const int decimals = DecimalsOf(*t, *mean);
  return "[" + Fixed(bootstrap->low, decimals) + ", " + Fixed(bootstrap->high, decimals) + "]";
}

std::string ShowP(const std::optional<double>& p) {
  if (!p) return kNothing;
  return *p < 0.0001 ? "<0.0001" : Format("%.2g", *p);
}

std::string ShowBytes(double bytes) {
  const char* const units[] = {"B", "kB", "MB", "GB", "TB"};
  size_t unit = 0;
  for (; bytes >= 1000 && unit + 1 < std::size(units); ++unit) bytes /= 1000;
  return Significant(bytes, unit == 0 ? 1 : 3) + " " + units[unit];
}

/// "95 %".
std::string Percent(double confidence) { return Format("%.6g", 100 * confidence) + " %"; }

Table GroupTable(const Comparison& comparison) {
  Table table;
  table.caption = comparison.view.metric +
                  (comparison.view.higher_is_better ? " (higher is better)" : " (lower is better)");
  if (comparison.view.rounds)
    table.caption += " in rounds 0 to " + std::to_string(*comparison.view.rounds);
  table.caption += ": mean over seeds ± half its " + Percent(comparison.confidence) + " t interval";
  table.header = {"group", "seeds", "final", "final, bootstrap", "best", "AUC"};
  for (const GroupResult& group : comparison.groups) {
    const Estimate& of = group.final_value;
    const std::string diverged =
        group.diverged > 0 ? " (" + std::to_string(group.diverged) + " diverged)" : "";
    table.rows.push_back({group.label, std::to_string(group.outcomes.size()) + diverged, Show(of),
                          ShowBootstrap(of.mean, of.interval, of.bootstrap), Show(group.best),
                          Show(group.area)});
  }
  return table;
}

Table TargetTable(const Comparison& comparison) {
  Table table;
  table.caption = "until " + comparison.view.metric + " reaches " +
                  Significant(*comparison.target, 4) +
                  (comparison.target_is_given ? "" : " (the best that all completed runs reach)") +
                  ": medians over seeds";
  table.header = {"group", "reached", "rounds", "bytes", "seconds"};
  for (const GroupResult& group : comparison.groups) {
    std::vector<std::string> row = {
        group.label, std::to_string(group.reached) + " of " + std::to_string(group.outcomes.size()),
        kNothing, kNothing, kNothing};
    if (group.to_target && group.to_target->reached()) {
      row[2] = ShowNumber(group.to_target->rounds);
      row[3] = ShowBytes(group.to_target->bytes);
      row[4] = Significant(group.to_target->seconds, 3);
    }
    table.rows.push_back(row);
  }
  return table;
}

std::string TestOf(const Difference& difference, const Comparison& comparison) {
  if (!difference.paired_seeds.empty())
    return "paired, " + std::to_string(difference.paired_seeds.size());
  const auto seeds = [&](size_t group) {
    return std::to_string(comparison.groups[group].outcomes.size());
  };
  return (difference.p ? "Welch, " : "not paired, ") + seeds(difference.group) + " and " +
         seeds(comparison.groups[difference.group].baseline);
}

std::string ShowEffect(const Difference& difference) {
  if (!difference.effect) return kNothing;
  return (difference.paired_seeds.empty() ? "g " : "d_z ") + Significant(*difference.effect, 3);
}

/// Whether all differences are to the same group.
bool IsOneGroup(const Comparison& comparison) {
  const auto baseline = [&](const Difference& of) { return comparison.groups[of.group].baseline; };
  return std::all_of(
      comparison.differences.begin(), comparison.differences.end(),
      [&](const Difference& of) { return baseline(of) == baseline(comparison.differences[0]); });
}

Table DifferenceTable(const Comparison& comparison) {
  Table table;
  table.caption = "difference of " + Show(comparison.of) + " " + comparison.view.metric + " to " +
                  comparison.baseline;
  if (!IsOneGroup(comparison)) table.caption += " with the same other settings, or the most alike";
  table.header = {"group", "difference", "bootstrap", "p", "Holm p", "sign flip", "effect", "test"};
  for (const Difference& difference : comparison.differences) {
    table.rows.push_back(
        {comparison.groups[difference.group].label,
         (difference.mean.value_or(0) > 0 ? "+" : "") + Show(difference.mean, difference.interval),
         ShowBootstrap(difference.mean, difference.interval, difference.bootstrap),
         ShowP(difference.p), ShowP(difference.p_holm), ShowP(difference.p_sign_flip),
         ShowEffect(difference), TestOf(difference, comparison)});
  }
  return table;
}

/// "Runs of one seed share partition, cohorts, initial model (strategy=fedprox)."
std::string CommonNote(const Comparison& comparison) {
  std::map<std::string, std::vector<std::string>> groups;
  for (const Difference& difference : comparison.differences) {
    if (!difference.paired_seeds.empty())
      groups[Show(difference.common)].push_back(comparison.groups[difference.group].label);
  }
  std::string text;
  for (const auto& [common, labels] : groups) {
    text += (text.empty() ? "Paired runs share " : "; ") + common;
    if (labels.size() == comparison.differences.size()) continue;
    text += " (";
    for (size_t i = 0; i < labels.size(); ++i) text += (i > 0 ? "; " : "") + labels[i];
    text += ")";
  }
  return text.empty() ? "" : text + ".";
}

std::vector<std::string> Notes(const Comparison& comparison) {
  std::vector<std::string> notes = {
      "bootstrap: BCa interval of the mean (" + std::to_string(kResamples) +
      " resamples); AUC: area under the curve over its rounds, so a mean of the metric."};
  if (comparison.target)
    notes.push_back(
        "Until the target: a seed that never reaches it counts as later than all that do; bytes go "
        "both ways between clients and server, seconds are those of training alone.");
  if (!comparison.differences.empty())
    notes.push_back(
        "Differences: paired means seed by seed over runs with the same data and partition, with "
        "Student's t interval and test and d_z; else Welch's, with Hedges' g. Holm p is adjusted "
        "for all groups; sign flip is the exact permutation test, not adjusted.");
  const std::string common = CommonNote(comparison);
  if (!common.empty()) notes.push_back(common);
  return notes;
}

std::string Number(const std::optional<double>& value) {
  return value && std::isfinite(*value) ? Json(*value).dump() : "";
}

void AddNumbers(const Estimate& estimate, std::vector<std::string>& cells) {
  cells.push_back(Number(estimate.mean));
  cells.push_back(Number(estimate.sd));
  for (const auto& interval : {estimate.interval, estimate.bootstrap}) {
    cells.push_back(interval ? Number(interval->low) : "");
    cells.push_back(interval ? Number(interval->high) : "");
  }
}

void AddNumbers(const Difference* difference, std::vector<std::string>& cells) {
  if (difference == nullptr) {
    cells.insert(cells.end(), 12, "");
    return;
  }
  const bool paired = !difference->paired_seeds.empty();
  cells.push_back(Number(difference->mean));
  for (const auto& interval : {difference->interval, difference->bootstrap}) {
    cells.push_back(interval ? Number(interval->low) : "");
    cells.push_back(interval ? Number(interval->high) : "");
  }
  cells.push_back(Number(difference->p));
  cells.push_back(Number(difference->p_holm));
  cells.push_back(Number(difference->p_sign_flip));
  cells.push_back(Number(difference->effect));
  cells.push_back(!difference->effect ? "" : paired ? "d_z" : "g");
  cells.push_back(paired ? "paired t" : difference->p ? "Welch t" : "");
  cells.push_back(paired ? std::to_string(difference->paired_seeds.size()) : "");
}

std::vector<std::string> CsvHeader() {
  std::vector<std::string> header = {"group", "baseline", "metric", "seeds", "diverged"};
  for (const char* of : {"final", "best", "auc"}) {
    for (const char* what : {"mean", "sd", "t_low", "t_high", "bootstrap_low", "bootstrap_high"})
      header.push_back(std::string(of) + "_" + what);
  }
  for (const char* name :
       {"target", "reached", "rounds_to_target", "bytes_to_target", "seconds_to_target",
        "difference_of", "difference", "difference_t_low", "difference_t_high",
        "difference_bootstrap_low", "difference_bootstrap_high", "p", "p_holm", "p_sign_flip",
        "effect_size", "effect", "test", "pairs"})
    header.push_back(name);
  return header;
}

}  // namespace

Document DocumentOf(const Comparison& comparison) {
  Document document;
  document.tables.push_back(GroupTable(comparison));
  if (comparison.target) document.tables.push_back(TargetTable(comparison));
  if (!comparison.differences.empty()) document.tables.push_back(DifferenceTable(comparison));
  document.notes = Notes(comparison);
  document.warnings = WarningsOf(comparison);
  return document;
}

std::string CsvOf(const Comparison& comparison) {
  std::string csv = CsvLine(CsvHeader());
  for (size_t i = 0; i < comparison.groups.size(); ++i) {
    const GroupResult& group = comparison.groups[i];
    std::vector<std::string> cells = {group.label, comparison.groups[group.baseline].label,
                                      comparison.view.metric, std::to_string(group.outcomes.size()),
                                      std::to_string(group.diverged)};
    for (const Estimate* estimate : {&group.final_value, &group.best, &group.area})
      AddNumbers(*estimate, cells);
    const TargetCost cost = group.to_target.value_or(TargetCost{NAN, NAN, NAN});
    for (const std::string& cell :
         {Number(comparison.target), comparison.target ? std::to_string(group.reached) : "",
          Number(cost.rounds), Number(cost.bytes), Number(cost.seconds),
          comparison.of == Aspect::kArea ? "auc" : Show(comparison.of)})
      cells.push_back(cell);
    const auto found = std::find_if(comparison.differences.begin(), comparison.differences.end(),
                                    [&](const Difference& each) { return each.group == i; });
    AddNumbers(found == comparison.differences.end() ? nullptr : &*found, cells);
    csv += CsvLine(cells);
  }
  return csv;
}

}  // namespace flsim
