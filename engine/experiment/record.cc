#include "engine/experiment/record.h"

#include <charconv>
#include <string_view>

#include "engine/experiment/machine.h"
#include "engine/experiment/version.h"

namespace flsim {
namespace {

void AddMetrics(Json& json, const RoundRecord& record) {
  if (record.train_loss) json["train_loss"] = *record.train_loss;
  if (!record.test) return;
  json["test_loss"] = record.test->loss;
  if (record.test->accuracy) json["test_accuracy"] = *record.test->accuracy;
  if (record.test->mse) json["test_mse"] = *record.test->mse;
  if (record.test->r2) json["test_r2"] = *record.test->r2;
}

/// As a JSON array. Ten thousand JSON values would take longer than to train as many small clients.
std::string Text(const std::vector<int64_t>& numbers) {
  std::string text = "[";
  char digits[20];
  for (const int64_t number : numbers) {
    if (text.size() > 1) text += ',';
    text.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
  }
  return text + "]";
}

}  // namespace

Json ToJson(const Distribution& d) {
  return {{"clients", d.clients}, {"mean", d.mean}, {"std", d.std},
          {"p5", d.p5},           {"p25", d.p25},   {"p50", d.p50},
          {"p75", d.p75},         {"p95", d.p95},   {"worst_tenth", d.worst_tenth},
          {"gini", d.gini},       {"jain", d.jain}};
}

void Summarize(const Aggregate& aggregate, RoundRecord& record) {
  double loss_sum = 0;
  for (const ClientReport& client : aggregate.clients) {
    record.examples += client.examples_seen;
    record.steps += client.steps;
    loss_sum += client.loss_sum;
  }
  if (record.examples > 0) record.train_loss = loss_sum / static_cast<double>(record.examples);
}

std::string JsonLine(const RoundRecord& record) {
  Json json = {{"round", record.round}};
  if (record.round > 0) {
    json["cohort"] = nullptr;  // holds the place
    json["examples"] = record.examples;
    json["steps"] = record.steps;
  }
  AddMetrics(json, record);
  if (record.clients) {
    json["client_loss"] = ToJson(record.clients->loss);
    if (record.clients->accuracy) json["client_accuracy"] = ToJson(*record.clients->accuracy);
  }
  if (!record.skipped.empty()) json["skipped"] = record.skipped;
  if (record.update_norm) json["update_norm"] = *record.update_norm;
  if (record.round > 0) {
    json["bytes_up"] = record.bytes_up;
    json["bytes_down"] = record.bytes_down;
    json["wall_s"] = record.wall_s;
  }
  if (record.evaluation_s) json["evaluation_s"] = *record.evaluation_s;
  std::string line = json.dump() + "\n";
  if (record.round > 0) {
    constexpr std::string_view kPlace = R"("cohort":null)";
    line.replace(line.find(kPlace), kPlace.size(), "\"cohort\":" + Text(record.cohort));
  }
  return line;
}

Json MetricsJson(const RoundRecord& record) {
  Json json = {{"round", record.round}};
  AddMetrics(json, record);
  if (record.clients) {
    json["client_loss_mean"] = record.clients->loss.mean;
    if (record.clients->accuracy) json["client_accuracy_mean"] = record.clients->accuracy->mean;
  }
  return json;
}

bool HigherIsBetter(const std::string& metric) {
  const std::string last = metric.substr(metric.rfind('.') + 1);
  if (last == "std" || last == "gini") return false;
  return metric.find("accuracy") != std::string::npos || metric == "test_r2" || last == "jain";
}

Json ToJson(const RunSummary& summary) {
  Json json = {{"status", summary.status}};
  if (!summary.reason.empty()) json["reason"] = summary.reason;
  if (!summary.stopped.empty()) json["stopped"] = summary.stopped;
  json["final"] = summary.final_metrics;
  json["best"] = summary.best_metrics;
  json["rounds"] = summary.rounds;
  if (summary.skipped_rounds > 0) json["skipped_rounds"] = summary.skipped_rounds;
  json["wall_s"] = summary.wall_s;
  if (summary.train_examples_per_s) json["train_examples_per_s"] = *summary.train_examples_per_s;
  json["peak_rss_bytes"] = summary.peak_rss_bytes;
  json["model_sha256"] = summary.model_sha256;
  json["version"] = kVersion;
  json["machine"] = MachineJson();
  json["seed"] = summary.seed;
  return json;
}

}  // namespace flsim
