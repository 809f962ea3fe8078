#include "engine/cli/summary.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "engine/cli/progress.h"
#include "engine/core/text.h"

namespace flsim {
namespace {

/// "test accuracy 0.4321, test loss 1.59 (round 20)"
std::string ShowMetrics(const Json& metrics) {
  std::string text;
  for (const auto& [key, label] : {std::pair{"test_accuracy", "test accuracy"},
                                   {"client_accuracy_mean", "mean client accuracy"},
                                   {"test_r2", "test R2"},
                                   {"test_loss", "test loss"},
                                   {"train_loss", "train loss"}}) {
    if (!metrics.contains(key)) continue;
    text += (text.empty() ? "" : ", ") + std::string(label) + " " +
            Format("%.4g", metrics.at(key).get<double>());
  }
  if (text.empty()) return "";
  return text + " (round " + std::to_string(metrics.at("round").get<int64_t>()) + ")";
}

/// The true coefficients beside those of a one-layer model with these inputs; "" if the model is
/// another.
std::string ShowCoefficients(const Experiment& experiment, const ServerState& state) {
  const LinearTruth* truth = experiment.dataset().truth();
  const ParameterLayout& layout = experiment.network().parameters;
  if (truth == nullptr || layout.size() != static_cast<int64_t>(truth->coefficients.size()) + 1)
    return "";
  const float* learned = state.parameters.const_data_ptr<float>();
  std::string text = "\n  what was learned     true   learned\n";
  constexpr size_t kShown = 12;
  const size_t n = truth->coefficients.size();
  for (size_t i = 0; i < std::min(n, kShown); ++i) {
    text += Format("  coefficient %-5zu %8.3f  %8.3f\n", i, truth->coefficients[i],
                   static_cast<double>(learned[i]));
  }
  if (n > kShown) text += "  ... " + std::to_string(n - kShown) + " more in model.safetensors\n";
  return text +
         Format("  bias              %8.3f  %8.3f\n", truth->bias, static_cast<double>(learned[n]));
}

/// "fedavg + krum + adam": the strategy and the axes that are not what FedAvg has.
std::string AlgorithmText(const ExperimentConfig& config) {
  std::string text = config.strategy.name;
  for (const Choice<PreAggregation>& choice : config.pre_aggregation) text += " + " + choice.name;
  if (config.aggregator.name != "mean") text += " + " + config.aggregator.name;
  const Json& optimizer = config.server_optimizer.resolved;
  if (config.server_optimizer.name != "sgd") {
    text += " + " + config.server_optimizer.name;
  } else if (optimizer.at("momentum") != 0) {
    text += " + server momentum " + Json(optimizer.at("momentum")).dump();
  }
  return text;
}

/// "3 of 30 rounds were skipped: too few clients for krum"; "" if none was.
std::string SkippedText(const Experiment& experiment, const RunSummary& summary) {
  if (summary.skipped_rounds == 0) return "";
  const bool by_aggregator = !experiment.aggregator().WhyNotCohort(1).empty();
  return ShowInteger(summary.skipped_rounds) + " of " + ShowInteger(summary.rounds) +
         " rounds were skipped: " +
         (by_aggregator ? "too few clients for " + experiment.config().aggregator.name
                        : "nobody arrived");
}

}  // namespace

History::History(const RecordedRun& run)
    : test_(Series(run, "test_loss")), train_(Series(run, "train_loss")) {}

void History::Round(const RoundRecord& record) {
  if (record.test) test_.emplace_back(record.round, record.test->loss);
  if (record.train_loss) train_.emplace_back(record.round, *record.train_loss);
}

std::vector<std::pair<int64_t, double>> History::Losses() const {
  return of_test() ? test_ : train_;
}

std::string ShowInteger(int64_t value) {
  std::string digits = std::to_string(value);
  for (auto at = static_cast<int64_t>(digits.size()) - 3; at > (value < 0 ? 1 : 0); at -= 3) {
    digits.insert(static_cast<size_t>(at), ",");
  }
  return digits;
}

std::string Headline(const Experiment& experiment) {
  const ExperimentConfig& config = experiment.config();
  std::ostringstream text;
  text << config.name << ": " << AlgorithmText(config) << ", " << config.model.name << " ("
       << ShowInteger(experiment.network().parameters.size()) << " parameters, "
       << experiment.backend() << " backend) on " << config.dataset.name << ", "
       << ShowInteger(config.rounds) << " rounds, " << experiment.workers()
       << (experiment.workers() == 1 ? " worker" : " workers");
  return text.str();
}

std::string DataLine(const Experiment& experiment) {
  const Partition& partition = experiment.partition();
  int64_t smallest = partition.size(0), largest = smallest;
  for (int64_t client = 1; client < partition.clients(); ++client) {
    smallest = std::min(smallest, partition.size(client));
    largest = std::max(largest, partition.size(client));
  }
  const DatasetFacts& facts = experiment.dataset().facts();
  std::string sizes = ShowInteger(smallest);
  if (largest != smallest) sizes += " to " + ShowInteger(largest);
  return ShowInteger(facts.train_examples) + " training and " + ShowInteger(facts.test_examples) +
         " test examples; " + ShowInteger(partition.clients()) + " clients hold " + sizes +
         " each (" + experiment.config().partition.name + ")";
}

std::string WarningLines(const std::vector<std::string>& warnings) {
  std::string text;
  for (const std::string& warning : warnings) text += "warning: " + warning + "\n";
  return text;
}

std::string ClosingText(const Experiment& experiment, const RunResult& result,
                        const History& history, const std::string& folder) {
  const RunSummary& summary = result.summary;
  std::ostringstream text;
  const auto row = [&](const char* label, const std::string& value) {
    if (!value.empty())
      text << "  " << label << std::string(12 - std::string(label).size(), ' ') << value << "\n";
  };
  const auto losses = history.Losses();
  const std::string chart = Chart(losses, 60, 8);
  if (!chart.empty())
    text << "\n  " << (history.of_test() ? "test" : "train") << " loss by round\n" << chart;
  text << ShowCoefficients(experiment, result.state) << "\n";
  row("status", summary.status == "diverged" ? "diverged: " + summary.reason
                : !summary.stopped.empty()   ? "completed early: " + summary.stopped
                : summary.reason.empty()     ? summary.status
                                             : summary.reason);
  row("final", ShowMetrics(summary.final_metrics));
  if (!summary.best_metrics.is_null()) row("best", ShowMetrics(summary.best_metrics));
  row("skipped", SkippedText(experiment, summary));
  row("time",
      (summary.wall_s < 60 ? Format("%.3g s", summary.wall_s) : ShowDuration(summary.wall_s)) +
          " for " + ShowInteger(summary.rounds) + (summary.rounds == 1 ? " round" : " rounds") +
          (summary.train_examples_per_s
               ? "; training at " + ShowCount(*summary.train_examples_per_s) + " examples/s"
               : ""));
  row("memory", ShowInteger(summary.peak_rss_bytes / 1000000) + " MB at most");
  row("results", folder + " (rounds.jsonl, summary.json, model.safetensors, config.json)");
  return text.str();
}

std::string Chart(const std::vector<std::pair<int64_t, double>>& points, int columns, int rows) {
  if (points.size() < 3) return "";
  const int64_t first_round = points.front().first;
  const int64_t rounds = points.back().first - first_round + 1;
  const int64_t width = std::min<int64_t>(rounds, columns);
  std::vector<std::optional<double>> values(static_cast<size_t>(width));
  for (const auto& [round, value] : points)
    values[static_cast<size_t>((round - first_round) * width / rounds)] = value;
  double low = *values.back(), high = low;
  for (const auto& value : values) {
    if (!value) continue;
    if (!std::isfinite(*value)) return "";
    low = std::min(low, *value);
    high = std::max(high, *value);
  }
  const bool logarithmic = low > 0 && high > 50 * low;
  const std::string top = Format("%.3g", high), bottom = Format("%.3g", low);
  const auto scale = [&](double value) { return logarithmic ? std::log(value) : value; };
  const double base = scale(low), span = std::max(scale(high) - base, 1e-300);
  const size_t label = std::max(top.size(), bottom.size());
  std::ostringstream text;
  for (int y = rows - 1; y >= 0; --y) {
    const std::string name = y == rows - 1 ? top : y == 0 ? bottom : "";
    text << "  " << std::string(label - name.size(), ' ') << name << " |";
    for (const auto& value : values) {
      const bool here =
          value && std::lround((scale(*value) - base) / span * (rows - 1)) == static_cast<long>(y);
      text << (here ? '*' : ' ');
    }
    text << "\n";
  }
  const std::string first = std::to_string(first_round), last = std::to_string(points.back().first);
  const auto gap = width - static_cast<int64_t>(first.size() + last.size());
  text << "  " << std::string(label, ' ') << " +" << std::string(static_cast<size_t>(width), '-')
       << "\n"
       << "  " << std::string(label + 2, ' ') << first
       << std::string(static_cast<size_t>(std::max<int64_t>(1, gap)), ' ') << last
       << (logarithmic ? "   (logarithmic)" : "") << "\n";
  return text.str();
}

}  // namespace flsim
