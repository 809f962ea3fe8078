#include "engine/sweep/sweep_file.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "engine/core/error.h"
#include "engine/core/json_paths.h"
#include "engine/core/options.h"
#include "engine/core/text.h"
#include "engine/experiment/record.h"
#include "engine/experiment/stopping.h"
#include "engine/sweep/axes.h"

namespace flsim {
namespace {

/// The base, changed by a point.
Json Changed(const Json& base, const Assignments& settings) {
  Json config = base;
  for (const auto& [key, value] : settings) SetAtPath(config, key, value);
  return config;
}

/// Adds a problem for what the paths of the points can't be set to.
void CheckPaths(const Json& base, const std::vector<Assignments>& points, Problems& problems) {
  constexpr std::string_view kFlag = "--set ";
  std::set<std::string> told;
  for (const Assignments& point : points) {
    try {
      Changed(base, point);
    } catch (const ConfigError& error) {
      std::string text = error.what();
      if (text.rfind(kFlag, 0) == 0) text.erase(0, kFlag.size());
      if (told.insert(text).second) problems.AddLine(text);
    }
  }
}

/// Whether a config has all of the values; a list names alternatives.
bool Matches(const Json& config, const Json& when) {
  for (const auto& item : when.items()) {
    const Json value = SettingAt(config, item.key());
    const Json& wanted = item.value();
    const bool same = wanted.is_array()
                          ? std::find(wanted.begin(), wanted.end(), value) != wanted.end()
                          : value == wanted;
    if (!same) return false;
  }
  return true;
}

std::vector<Assignments> Conditioned(const std::vector<Assignments>& points, const Json& base,
                                     const Json& condition, const std::string& path,
                                     Problems& problems, std::vector<std::string>& warnings) {
  if (!IsObject(condition, path, problems)) return points;
  RefuseUnknown(condition, {"when", "grid", "zip", "random", "skip"}, path, problems);
  const Json when = condition.value("when", Json());
  if (!IsObject(when, JoinPath(path, "when"), problems)) return points;
  const std::vector<Axis> axes = Axes(condition, path, problems);
  const Json skipped = condition.value("skip", Json(false));
  if (!skipped.is_boolean())
    problems.Add(JoinPath(path, "skip"), "must be true or false, got " + Shown(skipped));
  const bool skip = skipped == true;
  if (!skip && axes.empty())
    problems.Add(path, "does nothing; it needs grid, zip, random or \"skip\": true");
  std::vector<Assignments> out;
  bool holds = false;
  for (const Assignments& point : points) {
    const bool matches = Matches(Changed(base, point), when);
    holds |= matches;
    if (!matches) {
      out.push_back(point);
    } else if (!skip) {
      for (Assignments& combined : Combine({point}, axes)) out.push_back(std::move(combined));
    }
  }
  if (!holds) warnings.push_back(path + ".when holds for no point: " + when.dump());
  return out;
}

Json ReadBase(const Json& file, const std::string& path, const std::vector<std::string>& overrides,
              Problems& problems) {
  if (!file.contains("base")) {
    problems.Add("base", "is missing: an experiment, or the path of its config");
    return Json::object();
  }
  Json base = file.at("base");
  if (base.is_string()) {
    base = ReadJsonFile(
        (std::filesystem::path(path).parent_path() / base.get<std::string>()).string());
  }
  if (!IsObject(base, "base", problems)) return Json::object();
  for (const std::string& assignment : overrides) ApplyOverride(base, assignment);
  return base;
}

/// What stop can watch, and every statistic over clients of rounds.jsonl.
std::vector<std::string> HalvingMetrics() {
  std::vector<std::string> names = kWatchedMetrics;
  const Json statistics = ToJson(Distribution{});
  for (const std::string of : {"client_loss", "client_accuracy"}) {
    for (const auto& item : statistics.items())
      if (item.key() != "clients") names.push_back(JoinPath(of, item.key()));
  }
  return names;
}

Halving ReadHalving(const Json& json, Problems& problems) {
  Halving halving;
  if (!IsObject(json, "halving", problems)) return halving;
  RefuseUnknown(json, {"metric", "eta", "min_rounds"}, "halving", problems);
  if (json.contains("metric")) {
    const Json& metric = json.at("metric");
    const std::vector<std::string> known = HalvingMetrics();
    if (std::find(known.begin(), known.end(), metric) != known.end())
      halving.metric = metric.get<std::string>();
    else
      problems.Add("halving.metric", "must be one of " + JoinNames(kWatchedMetrics) +
                                         ", or a statistic over clients such as "
                                         "client_accuracy.p5; got " +
                                         Shown(metric));
  }
  halving.eta = Integer(json, "eta", 3, 2, 1000, "halving", problems);
  halving.min_rounds = Integer(json, "min_rounds", 1, 1, 4294967295, "halving", problems);
  return halving;
}

/// Adds a problem for every axis that sets again what one before it has set.
void CheckOverlaps(const Assignments& point, Problems& problems) {
  for (size_t i = 0; i < point.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      const std::string &before = point[j].first, &key = point[i].first;
      if (before == key || before.rfind(key + ".", 0) == 0)
        problems.Add(key, "sets again what the axis " + before + " sets; leave one of them out");
    }
  }
}

std::vector<Assignments> ReadPoints(const Json& json, const Json& base, Problems& problems,
                                    std::vector<std::string>& warnings) {
  std::vector<Assignments> points = Combine(std::vector<Assignments>(1), Axes(json, "", problems));
  CheckPaths(base, points, problems);
  if (!points.empty()) CheckOverlaps(points[0], problems);
  if (!json.contains("conditions")) return points;
  const Json& conditions = json.at("conditions");
  if (!conditions.is_array()) {
    problems.Add("conditions", "must be a list, got " + Shown(conditions));
    return points;
  }
  for (size_t i = 0; i < conditions.size() && problems.size() == 0; ++i) {
    points = Conditioned(points, base, conditions[i], "conditions[" + std::to_string(i) + "]",
                         problems, warnings);
    CheckPaths(base, points, problems);
  }
  return points;
}

/// The trials of the points, each with so many seeds; those that are alike are one.
void AddTrials(const std::vector<Assignments>& points, const Json& base, int64_t repeat,
               Sweep& sweep) {
  std::map<std::string, int64_t> numbers;           // of points, by their settings
  std::set<std::pair<int64_t, uint64_t>> distinct;  // point and seed
  for (const Assignments& point : points) {
    Json settings = Json::object();
    for (const auto& [key, value] : point) {
      if (key != "seed") settings[key] = value;
    }
    const auto next = static_cast<int64_t>(numbers.size()) + 1;
    const int64_t number = numbers.emplace(settings.dump(), next).first->second;
    for (int64_t i = 0; i < repeat; ++i) {
      Trial trial;
      trial.point = number;
      trial.settings = point;
      trial.config = Changed(base, point);
      const Json seed = trial.config.value("seed", Json(1));
      // One that is no seed is for the experiment to refuse.
      if (seed.is_number_unsigned() || (seed.is_number_integer() && seed >= 0)) {
        trial.seed = seed.get<uint64_t>() + static_cast<uint64_t>(i);
        trial.config["seed"] = trial.seed;
        if (!distinct.emplace(number, trial.seed).second) continue;  // drawn before
      }
      trial.number = static_cast<int64_t>(sweep.trials.size()) + 1;
      trial.config["name"] = trial.Folder();
      sweep.trials.push_back(std::move(trial));
    }
  }
  sweep.points = static_cast<int64_t>(numbers.size());
}

}  // namespace

std::string Trial::Folder() const { return Format("trial-%04lld", static_cast<long long>(number)); }

std::string Trial::Label() const {
  std::string label;
  for (const auto& [key, value] : settings) {
    if (key == "seed") continue;
    label += key + "=" + (value.is_string() ? value.get<std::string>() : Shown(value)) + ", ";
  }
  return label + "seed=" + std::to_string(seed);
}

std::string CountText(const Sweep& sweep) {
  const auto trials = static_cast<int64_t>(sweep.trials.size());
  const auto count = [](int64_t n, const char* what) {
    return std::to_string(n) + " " + what + (n == 1 ? "" : "s");
  };
  if (trials == sweep.points || trials % sweep.points != 0) return count(trials, "trial");
  return count(trials, "trial") + ": " + count(sweep.points, "point") + " x " +
         count(trials / sweep.points, "seed");
}

bool IsSweep(const std::string& file) {
  if (file == "-") return false;
  const Json json = ReadJsonFile(file);
  return json.is_object() && json.contains("base") && !json.contains("dataset");
}

Sweep ReadSweep(const std::string& file, const std::vector<std::string>& overrides) {
  const Json json = ReadJsonFile(file);
  Problems problems;
  Sweep sweep;
  sweep.file = file;
  if (!json.is_object()) throw ConfigError(file + " must hold an object, got " + Shown(json));
  if (json.contains("dataset") && !json.contains("base"))
    throw ConfigError(file + " is an experiment and no sweep; run it with flsim --config " + file);
  RefuseUnknown(
      json, {"$schema", "name", "base", "grid", "zip", "random", "conditions", "repeat", "halving"},
      "", problems);
  const Json base = ReadBase(json, file, overrides, problems);
  const Json name = json.value("name", Json(std::filesystem::path(file).stem().string()));
  if (name.is_string())
    sweep.name = name.get<std::string>();
  else
    problems.Add("name", "must be a text, got " + Shown(name));
  const bool usable = !sweep.name.empty() && sweep.name != "." && sweep.name != ".." &&
                      sweep.name.find('/') == std::string::npos;
  if (name.is_string() && !usable)
    problems.Add("name", "must be usable as a folder's name, got " + Shown(name));
  const int64_t repeat = Integer(json, "repeat", 1, 1, 100000, "", problems);
  if (json.contains("halving")) sweep.halving = ReadHalving(json.at("halving"), problems);
  std::vector<Assignments> points;
  try {
    points = ReadPoints(json, base, problems, sweep.warnings);
  } catch (const ConfigError& error) {
    problems.AddLine(error.what());
  }
  problems.ThrowIfAny(file);

  sweep.definition = json;
  sweep.definition.erase("$schema");
  sweep.definition["base"] = base;
  bool varies_seed = false;
  for (const Assignments& point : points) {
    for (const auto& [key, value] : point) {
      if (key == "seed")
        varies_seed = true;
      else if (std::find(sweep.axes.begin(), sweep.axes.end(), key) == sweep.axes.end())
        sweep.axes.push_back(key);
    }
  }
  for (const std::string& axis : sweep.axes) {
    if (axis == "name" || axis == "output.dir" || axis == "runtime.workers")
      problems.Add(axis, "can't be varied: the sweep sets it for each trial");
  }
  if (repeat > 1 && varies_seed)
    problems.Add("repeat", "sets the seeds, but seed is varied already; leave one of them out");
  if (points.empty()) problems.Add("conditions", "skip every point");
  if (static_cast<double>(points.size()) * static_cast<double>(repeat) > kMostTrials)
    problems.Add("repeat", "makes more than 100,000 trials");
  problems.ThrowIfAny(file);
  AddTrials(points, base, repeat, sweep);
  return sweep;
}

}  // namespace flsim
