#include "engine/sweep/sweep_file.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <map>

#include "engine/core/error.h"
#include "engine/core/options.h"
#include "engine/core/rng.h"

namespace flsim {
namespace {

constexpr double kMostTrials = 100000;

/// What one axis may be, one alternative for each point it makes of a point.
using Axis = std::vector<Assignments>;

/// Adds a problem for every key that is not one of `known`.
void RefuseUnknown(const Json& object, const std::vector<std::string>& known,
                   const std::string& path, Problems& problems) {
  for (const auto& item : object.items()) {
    if (std::find(known.begin(), known.end(), item.key()) != known.end()) continue;
    const std::string nearest = Nearest(item.key(), known);
    problems.Add(JoinPath(path, item.key()),
                 "is unknown" + (nearest.empty() ? "; known: " + JoinNames(known)
                                                 : "; did you mean " + nearest + "?"));
  }
}

/// Whether `value` is an object; adds a problem if it isn't.
bool IsObject(const Json& value, const std::string& path, Problems& problems) {
  if (value.is_object()) return true;
  problems.Add(path, "must be an object, got " + Shown(value));
  return false;
}

bool IsValueList(const Json& value, const std::string& path, Problems& problems) {
  if (value.is_array() && !value.empty()) return true;
  problems.Add(path, "must be a list of values, at least one, got " + Shown(value));
  return false;
}

/// The integer at `key`, between `least` and `most`; `value` if it is absent.
int64_t Integer(const Json& object, const char* key, int64_t value, int64_t least, int64_t most,
                const std::string& path, Problems& problems) {
  if (!object.contains(key)) return value;
  const Json& given = object.at(key);
  if (given.is_number_integer() && given >= least && given <= most) return given.get<int64_t>();
  problems.Add(JoinPath(path, key), "must be an integer between " + std::to_string(least) +
                                        " and " + std::to_string(most) + ", got " + Shown(given));
  return value;
}

void AddGrid(const Json& grid, const std::string& path, std::vector<Axis>& axes,
             Problems& problems) {
  if (!IsObject(grid, path, problems)) return;
  for (const auto& item : grid.items()) {
    if (!IsValueList(item.value(), JoinPath(path, item.key()), problems)) continue;
    Axis axis;
    for (const Json& value : item.value()) axis.push_back({{item.key(), value}});
    axes.push_back(std::move(axis));
  }
}

void AddZip(const Json& zip, const std::string& path, std::vector<Axis>& axes, Problems& problems) {
  if (!IsObject(zip, path, problems)) return;
  Axis axis;
  for (const auto& item : zip.items()) {
    const std::string at = JoinPath(path, item.key());
    if (!IsValueList(item.value(), at, problems)) continue;
    if (axis.empty()) axis.resize(item.value().size());
    if (axis.size() != item.value().size()) {
      problems.Add(at, "must have " + std::to_string(axis.size()) +
                           " values as the lists before it, got " +
                           std::to_string(item.value().size()));
      continue;
    }
    for (size_t i = 0; i < axis.size(); ++i) axis[i].emplace_back(item.key(), item.value()[i]);
  }
  if (!axis.empty()) axes.push_back(std::move(axis));
}

/// A number with four significant digits: a drawn value that can be typed again.
double FourDigits(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return std::strtod(text, nullptr);
}

/// Draws from {"uniform": [a, b]} and the like; adds a problem if it is none.
Json Draw(const Json& distribution, const std::string& path, Rng& rng, Problems& problems) {
  const auto refuse = [&](const std::string& text) {
    problems.Add(path, text + ", got " + Shown(distribution));
    return Json();
  };
  if (!distribution.is_object() || distribution.size() != 1)
    return refuse("must be one of uniform, log_uniform, integer, choice with its values");
  const std::string name = distribution.begin().key();
  const Json& values = distribution.begin().value();
  if (name == "choice") {
    if (!values.is_array() || values.empty()) return refuse("choice needs a list of values");
    return values[rng.Below(values.size())];
  }
  const bool is_range = values.is_array() && values.size() == 2 && values[0].is_number() &&
                        values[1].is_number() && values[0] < values[1];
  if (!is_range) return refuse(name + " needs two numbers, the smaller one first");
  const auto low = values[0].get<double>(), high = values[1].get<double>();
  if (name == "uniform") return FourDigits(low + (high - low) * rng.Uniform());
  if (name == "log_uniform") {
    if (low <= 0) return refuse("log_uniform needs numbers above 0");
    return FourDigits(std::exp(std::log(low) + std::log(high / low) * rng.Uniform()));
  }
  if (name == "integer") {
    if (!values[0].is_number_integer() || !values[1].is_number_integer())
      return refuse("integer needs two integers");
    const auto first = values[0].get<int64_t>(), last = values[1].get<int64_t>();
    return first + static_cast<int64_t>(rng.Below(static_cast<uint64_t>(last - first) + 1));
  }
  return refuse("must be one of uniform, log_uniform, integer, choice");
}

void AddRandom(const Json& random, const std::string& path, std::vector<Axis>& axes,
               Problems& problems) {
  if (!IsObject(random, path, problems)) return;
  if (!random.contains("samples")) problems.Add(JoinPath(path, "samples"), "is missing");
  const int64_t samples = Integer(random, "samples", 1, 1, 100000, path, problems);
  const int64_t seed = Integer(random, "seed", 1, 0, INT64_MAX, path, problems);
  Axis axis(static_cast<size_t>(samples));
  for (const auto& item : random.items()) {
    const std::string& key = item.key();
    if (key == "samples" || key == "seed") continue;
    // A stream for each key: one more key leaves the draws of the others as they are.
    Rng rng(static_cast<uint64_t>(seed), {"sweep." + key});
    for (Assignments& sample : axis) {
      const size_t before = problems.size();
      sample.emplace_back(key, Draw(item.value(), JoinPath(path, key), rng, problems));
      if (problems.size() > before) break;
    }
  }
  axes.push_back(std::move(axis));
}

/// The axes of grid, zip and random at `path`.
std::vector<Axis> Axes(const Json& object, const std::string& path, Problems& problems) {
  std::vector<Axis> axes;
  if (object.contains("grid")) AddGrid(object.at("grid"), JoinPath(path, "grid"), axes, problems);
  if (object.contains("zip")) {
    const Json& zip = object.at("zip");
    const std::string at = JoinPath(path, "zip");
    if (zip.is_array()) {
      for (size_t i = 0; i < zip.size(); ++i)
        AddZip(zip[i], at + "[" + std::to_string(i) + "]", axes, problems);
    } else {
      AddZip(zip, at, axes, problems);
    }
  }
  if (object.contains("random"))
    AddRandom(object.at("random"), JoinPath(path, "random"), axes, problems);
  return axes;
}

/// Every point combined with every alternative of every axis, the last axis fastest.
std::vector<Assignments> Combine(std::vector<Assignments> points, const std::vector<Axis>& axes) {
  for (const Axis& axis : axes) {
    if (static_cast<double>(points.size()) * static_cast<double>(axis.size()) > kMostTrials)
      throw ConfigError("makes more than 100,000 trials");
    std::vector<Assignments> combined;
    for (const Assignments& point : points) {
      for (const Assignments& alternative : axis) {
        combined.push_back(point);
        combined.back().insert(combined.back().end(), alternative.begin(), alternative.end());
      }
    }
    points = std::move(combined);
  }
  return points;
}

/// The base, changed by a point.
Json Changed(const Json& base, const Assignments& settings) {
  Json config = base;
  for (const auto& [key, value] : settings) SetAtPath(config, key, value);
  return config;
}

/// The value at a path of a config; for a component given with options, its name. Null if absent.
Json ValueAt(const Json& config, const std::string& path) {
  const Json* at = &config;
  for (size_t start = 0; start <= path.size();) {
    const size_t dot = std::min(path.find('.', start), path.size());
    const std::string key = path.substr(start, dot - start);
    if (key == "name" && at->is_string()) return *at;
    if (!at->is_object() || !at->contains(key)) return {};
    at = &at->at(key);
    start = dot + 1;
  }
  return at->is_object() && at->contains("name") ? at->at("name") : *at;
}

/// Whether a config has all of the values; a list names alternatives.
bool Matches(const Json& config, const Json& when) {
  for (const auto& item : when.items()) {
    const Json value = ValueAt(config, item.key());
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
                                     Problems& problems) {
  if (!IsObject(condition, path, problems)) return points;
  RefuseUnknown(condition, {"when", "grid", "zip", "random", "skip"}, path, problems);
  const Json when = condition.value("when", Json());
  if (!IsObject(when, JoinPath(path, "when"), problems)) return points;
  const std::vector<Axis> axes = Axes(condition, path, problems);
  const bool skip = condition.value("skip", Json(false)) == true;
  if (!skip && axes.empty())
    problems.Add(path, "does nothing; it needs grid, zip, random or \"skip\": true");
  std::vector<Assignments> out;
  for (const Assignments& point : points) {
    if (!Matches(Changed(base, point), when)) {
      out.push_back(point);
    } else if (!skip) {
      for (Assignments& combined : Combine({point}, axes)) out.push_back(std::move(combined));
    }
  }
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

Halving ReadHalving(const Json& json, Problems& problems) {
  Halving halving;
  if (!IsObject(json, "halving", problems)) return halving;
  RefuseUnknown(json, {"metric", "eta", "min_rounds"}, "halving", problems);
  if (json.contains("metric")) {
    if (json.at("metric").is_string())
      halving.metric = json.at("metric").get<std::string>();
    else
      problems.Add("halving.metric", "must be a metric's name, got " + Shown(json.at("metric")));
  }
  halving.eta = Integer(json, "eta", 3, 2, 1000, "halving", problems);
  halving.min_rounds = Integer(json, "min_rounds", 1, 1, 4294967295, "halving", problems);
  return halving;
}

std::vector<Assignments> ReadPoints(const Json& json, const Json& base, Problems& problems) {
  std::vector<Assignments> points = Combine(std::vector<Assignments>(1), Axes(json, "", problems));
  if (!json.contains("conditions")) return points;
  const Json& conditions = json.at("conditions");
  if (!conditions.is_array()) {
    problems.Add("conditions", "must be a list, got " + Shown(conditions));
    return points;
  }
  for (size_t i = 0; i < conditions.size() && problems.size() == 0; ++i) {
    points =
        Conditioned(points, base, conditions[i], "conditions[" + std::to_string(i) + "]", problems);
  }
  return points;
}

}  // namespace

std::string Trial::Folder() const {
  char text[32];
  std::snprintf(text, sizeof text, "trial-%04lld", static_cast<long long>(number));
  return text;
}

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
  if (!IsObject(json, "", problems)) problems.ThrowIfAny(file);
  RefuseUnknown(
      json, {"$schema", "name", "base", "grid", "zip", "random", "conditions", "repeat", "halving"},
      "", problems);
  const Json base = ReadBase(json, file, overrides, problems);
  const Json name = json.value("name", Json(std::filesystem::path(file).stem().string()));
  if (name.is_string())
    sweep.name = name.get<std::string>();
  else
    problems.Add("name", "must be a text, got " + Shown(name));
  const int64_t repeat = Integer(json, "repeat", 1, 1, 100000, "", problems);
  if (json.contains("halving")) sweep.halving = ReadHalving(json.at("halving"), problems);
  std::vector<Assignments> points;
  try {
    points = ReadPoints(json, base, problems);
  } catch (const ConfigError& error) {
    problems.Add("", error.what());
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
  if (repeat > 1 && varies_seed)
    problems.Add("repeat", "sets the seeds, but seed is varied already; leave one of them out");
  if (points.empty()) problems.Add("conditions", "skip every point");
  if (static_cast<double>(points.size()) * static_cast<double>(repeat) > kMostTrials)
    problems.Add("repeat", "makes more than 100,000 trials");
  problems.ThrowIfAny(file);
  std::map<std::string, int64_t> numbers;  // of points, by their settings
  for (const Assignments& point : points) {
    Json settings = Json::object();
    for (const auto& [key, value] : point) {
      if (key != "seed") settings[key] = value;
    }
    const auto next = static_cast<int64_t>(numbers.size()) + 1;
    const int64_t number = numbers.emplace(settings.dump(), next).first->second;
    for (int64_t i = 0; i < repeat; ++i) {
      Trial trial;
      trial.number = static_cast<int64_t>(sweep.trials.size()) + 1;
      trial.point = number;
      trial.settings = point;
      trial.config = Changed(base, point);
      const Json seed = trial.config.value("seed", Json(1));
      // One that is no seed is for the experiment to refuse.
      if (seed.is_number_unsigned() || (seed.is_number_integer() && seed >= 0)) {
        trial.seed = seed.get<uint64_t>() + static_cast<uint64_t>(i);
        trial.config["seed"] = trial.seed;
      }
      trial.config["name"] = trial.Folder();
      sweep.trials.push_back(std::move(trial));
    }
  }
  sweep.points = static_cast<int64_t>(numbers.size());
  return sweep;
}

}  // namespace flsim
