#include "engine/analysis/report.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "engine/analysis/client_records.h"
#include "engine/analysis/curves.h"
#include "engine/analysis/curves_json.h"
#include "engine/analysis/labels.h"
#include "engine/analysis/participation.h"
#include "engine/core/files.h"
#include "engine/experiment/version.h"

namespace flsim {
namespace fs = std::filesystem;
namespace {

constexpr size_t kMostPoints = 1000, kLeastPoints = 50, kMostNumbers = 1000000;
constexpr size_t kMostClientValues = 500;
constexpr size_t kMostSchedules = 8;  // of cohorts, and partitions

/// The last part of each run's folder, or all of it where two are the same.
std::vector<std::string> RunNames(const std::vector<RecordedRun>& runs) {
  std::vector<std::string> names;
  std::map<std::string, int> uses;
  for (const RecordedRun& run : runs) {
    const fs::path path = fs::path(run.folder + "/").lexically_normal().parent_path();
    names.push_back(path.filename().string());
    ++uses[names.back()];
  }
  for (size_t i = 0; i < runs.size(); ++i)
    if (uses[names[i]] > 1 || names[i].empty() || names[i] == ".") names[i] = runs[i].folder;
  return names;
}

/// Whether a metric has a best value: accuracies, losses and the like do, norms and seconds don't.
bool HasBest(const std::string& metric) {
  for (const char* word : {"accuracy", "loss", "mse", "r2"})
    if (metric.find(word) != std::string::npos) return true;
  return false;
}

/// {"final": [round, value], "best": [round, value]} of a metric, as far as there are such.
Json Extremes(const RecordedRun& run, const std::string& metric) {
  const auto series = Series(run, metric);
  if (series.empty()) return Json::object();
  Json json = {{"final", {series.back().first, series.back().second}}};
  if (!HasBest(metric)) return json;
  auto best = series.front();
  for (const auto& point : series) {
    if (HigherIsBetter(metric) ? point.second > best.second : point.second < best.second)
      best = point;
  }
  json["best"] = {best.first, best.second};
  return json;
}

double Sum(const RecordedRun& run, const std::string& metric) {
  double sum = 0;
  for (const auto& point : Series(run, metric)) sum += point.second;
  return sum;
}

Json RunJson(const RecordedRun& run, const std::string& name) {
  Json json = {{"name", name},
               {"folder", run.folder},
               {"seed", run.seed()},
               {"status", run.status()},
               {"rounds", run.rounds.empty() ? Json(0) : run.rounds.back().at("round")},
               {"planned", run.config.value("rounds", Json())},
               {"training_s", Sum(run, "wall_s")},
               {"evaluation_s", Sum(run, "evaluation_s")},
               {"bytes_up", Sum(run, "bytes_up")},
               {"bytes_down", Sum(run, "bytes_down")},
               {"examples", Sum(run, "examples")},
               {"runtime", run.config.value("runtime", Json())}};
  if (!run.summary.is_object()) return json;
  for (const char* key : {"reason", "stopped", "skipped_rounds", "train_examples_per_s",
                          "peak_rss_bytes", "model_sha256", "version", "machine"}) {
    const auto found = run.summary.find(key);
    if (found != run.summary.end()) json[key] = *found;
  }
  return json;
}

/// Builds the data block part by part.
class Report {
 public:
  Report(const std::vector<RecordedRun>& runs, const std::string& metric)
      : runs_(runs),
        metric_(metric),
        groups_(GroupRuns(runs)),
        labels_(ShortLabels(groups_)),
        names_(RunNames(runs)) {}

  Json Data(bool live) {
    Json groups = Groups();
    Json data = {{"title", Title()}, {"flsim", kVersion}, {"live", live}, {"metric", metric_}};
    data["metrics"] = Metrics();
    data["groups"] = std::move(groups);
    data["runs"] = Runs();
    data["settings"] = SettingsTable();
    data["clients"] = Clients();
    data["participation"] = Schedules();
    data["partitions"] = Partitions();
    data["notes"] = notes_;
    return data;
  }

 private:
  std::string Title() const {
    if (runs_.size() == 1) return names_[0];
    std::set<std::string> experiments;
    for (const RecordedRun& run : runs_) experiments.insert(run.config.value("name", ""));
    const std::string name = experiments.size() == 1 ? *experiments.begin() : "";
    return (name.empty() ? "" : name + ": ") + std::to_string(runs_.size()) + " runs";
  }

  Json Metrics() const {
    Json metrics = Json::array();
    for (const std::string& metric : RecordedMetrics(runs_))
      metrics.push_back({{"key", metric}, {"label", MetricLabel(metric)}});
    return metrics;
  }

  /// How many points a curve may have so that all of them stay within kMostNumbers.
  size_t PointsPerCurve(size_t metrics) const {
    size_t numbers = 0;  // for each point of all curves
    for (const RunGroup& group : groups_)
      numbers += metrics * (group.runs.size() == 1 ? 1 : 5 + group.runs.size()) + 3;
    return std::clamp(kMostNumbers / std::max<size_t>(1, numbers), kLeastPoints, kMostPoints);
  }

  Json Groups() {
    const std::vector<std::string> metrics = RecordedMetrics(runs_);
    const size_t points = PointsPerCurve(metrics.size());
    size_t thinned_from = 0;
    Json json = Json::array();
    for (const RunGroup& group : groups_) {
      CurvesJson curves(group);
      for (const std::string& metric : metrics)
        thinned_from = std::max(thinned_from, curves.Add(metric, points));
      std::vector<size_t> members;
      for (const RecordedRun* run : group.runs)
        members.push_back(static_cast<size_t>(run - runs_.data()));
      json.push_back({{"label", labels_[json.size()]},
                      {"runs", members},
                      {"grids", curves.grids()},
                      {"curves", curves.curves()}});
      if (groups_.size() == 1)
        json.back()["label"] = members.size() == 1 ? names_[members[0]] : "all seeds";
    }
    if (thinned_from > 0)
      notes_.push_back("Curves show about " + std::to_string(points) + " of up to " +
                       std::to_string(thinned_from) +
                       " rounds, evenly spread; every run's first, best and last are among them.");
    return json;
  }

  Json Runs() {
    Json json = Json::array();
    for (size_t i = 0; i < runs_.size(); ++i) {
      json.push_back(RunJson(runs_[i], names_[i]));
      json.back().update(Extremes(runs_[i], metric_));
      const auto records = ReadClientRecords(runs_[i].folder);
      if (!records) continue;
      records_[i] = *records;
      const auto& s = records->seconds;
      if (s.empty()) continue;
      json.back()["client_seconds"] = {
          {"median", s[s.size() / 2]}, {"p95", s[s.size() * 95 / 100]}, {"max", s.back()}};
    }
    return json;
  }

  /// Every setting of the configs: its value in all groups, or one for each (null: it has none).
  Json SettingsTable() const {
    std::vector<std::string> keys;
    std::vector<std::map<std::string, Json>> all;
    for (const RunGroup& group : groups_) {
      const auto settings = Settings(group.runs[0]->config);
      for (const auto& setting : settings)
        if (std::find(keys.begin(), keys.end(), setting.first) == keys.end())
          keys.push_back(setting.first);
      all.emplace_back(settings.begin(), settings.end());
    }
    Json json = Json::array();
    for (const std::string& key : keys) {
      Json values = Json::array();
      bool differs = false;
      for (const auto& each : all) {
        const auto found = each.find(key);
        values.push_back(found == each.end() ? Json() : Json{{"is", found->second}});
        differs = differs || values.back() != values.front();
      }
      Json row = {{"key", key}};
      if (differs) {
        row["values"] = std::move(values);
      } else {
        row["value"] = values[0]["is"];
      }
      json.push_back(std::move(row));
    }
    return json;
  }

  /// How clients' own metrics are spread: by group, all its runs together.
  Json Clients() const {
    bool has_accuracies = false;
    for (const auto& item : records_)
      has_accuracies = has_accuracies || !item.second.accuracies.empty();
    Json groups = Json::array();
    for (size_t i = 0; i < groups_.size(); ++i) {
      std::vector<double> values;
      for (const RecordedRun* run : groups_[i].runs) {
        const auto found = records_.find(static_cast<size_t>(run - runs_.data()));
        if (found == records_.end()) continue;
        const auto& own = has_accuracies ? found->second.accuracies : found->second.losses;
        values.insert(values.end(), own.begin(), own.end());
      }
      if (values.empty()) continue;
      std::sort(values.begin(), values.end());
      groups.push_back({{"group", i},
                        {"evaluated", values.size()},
                        {"values", Rounded(EvenlySpread(values, kMostClientValues))}});
    }
    return {{"of", has_accuracies ? "accuracy" : "loss"}, {"groups", groups}};
  }

  /// One entry for all runs that have the same value; the first kMostSchedules of them.
  template <class HashOf, class JsonOf>
  Json Distinct(const std::string& what, HashOf hash_of, JsonOf json_of) {
    std::vector<std::pair<std::string, std::vector<size_t>>> distinct;
    for (size_t i = 0; i < runs_.size(); ++i) {
      const std::string hash = hash_of(runs_[i]);
      if (hash.empty()) continue;
      const auto found = std::find_if(distinct.begin(), distinct.end(),
                                      [&](const auto& item) { return item.first == hash; });
      if (found == distinct.end()) {
        distinct.push_back({hash, {i}});
      } else {
        found->second.push_back(i);
      }
    }
    Json list = Json::array();
    for (size_t i = 0; i < std::min(distinct.size(), kMostSchedules); ++i) {
      list.push_back(json_of(runs_[distinct[i].second[0]]));
      list.back()["runs"] = distinct[i].second;
    }
    if (distinct.size() > kMostSchedules)
      notes_.push_back("Of " + std::to_string(distinct.size()) + " different " + what +
                       " the first " + std::to_string(kMostSchedules) + " are shown.");
    return list;
  }

  Json Schedules() { return Distinct("sequences of cohorts", CohortsHash, ParticipationJson); }

  Json Partitions() {
    const auto path = [](const RecordedRun& run) {
      return (fs::path(run.folder) / "partition.csv").string();
    };
    return Distinct(
        "partitions", [&](const RecordedRun& run) { return FileHash(path(run)); },
        [&](const RecordedRun& run) {
          const PartitionTable table = ReadPartitionTable(path(run));
          return PartitionJson(table, MeasureTable(table));
        });
  }

  static std::string FileHash(const std::string& path) {
    return Exists(path) ? Sha256(ReadFile(path)) : "";
  }

  const std::vector<RecordedRun>& runs_;
  const std::string metric_;
  const std::vector<RunGroup> groups_;
  const std::vector<std::string> labels_;
  const std::vector<std::string> names_;
  std::map<size_t, ClientRecords> records_;  // by run
  std::vector<std::string> notes_;
};

}  // namespace

Json ReportData(const std::vector<RecordedRun>& runs, const std::string& metric, bool live) {
  return Report(runs, metric).Data(live);
}

Json PartitionData(const Json& config, const PartitionTable& table,
                   const PartitionStatistics& measures) {
  Json settings = {{{"key", "seed"}, {"value", config.at("seed")}}};
  for (const auto& setting : Settings(config)) {
    const std::string part = setting.first.substr(0, setting.first.find('.'));
    if (part == "dataset" || part == "partition")
      settings.push_back({{"key", setting.first}, {"value", setting.second}});
  }
  return {{"title", "Partition of " + config.value("name", "")},
          {"flsim", kVersion},
          {"settings", settings},
          {"partitions", {PartitionJson(table, measures)}}};
}

}  // namespace flsim
