#include "engine/sweep/axes.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "engine/core/error.h"
#include "engine/core/rng.h"
#include "engine/core/text.h"

namespace flsim {
namespace {

bool IsValueList(const Json& value, const std::string& path, Problems& problems) {
  if (value.is_array() && !value.empty()) return true;
  problems.Add(path, "must be a list of values, at least one, got " + Shown(value));
  return false;
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
double FourDigits(double value) { return std::strtod(Format("%.4g", value).c_str(), nullptr); }

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
  if (!std::isfinite(high - low)) return refuse(name + " needs a range that is finite");
  if (name == "uniform") return FourDigits(low + (high - low) * rng.Uniform());
  if (name == "log_uniform") {
    if (low <= 0) return refuse("log_uniform needs numbers above 0");
    return FourDigits(std::exp(std::log(low) + std::log(high / low) * rng.Uniform()));
  }
  if (name == "integer") {
    if (!values[0].is_number_integer() || !values[1].is_number_integer())
      return refuse("integer needs two integers");
    constexpr double kExact = 9007199254740992;  // 2^53
    if (low < -kExact || high > kExact) return refuse("integer needs numbers within 2^53 of 0");
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

}  // namespace

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

bool IsObject(const Json& value, const std::string& path, Problems& problems) {
  if (value.is_object()) return true;
  problems.Add(path, "must be an object, got " + Shown(value));
  return false;
}

int64_t Integer(const Json& object, const char* key, int64_t value, int64_t least, int64_t most,
                const std::string& path, Problems& problems) {
  if (!object.contains(key)) return value;
  const Json& given = object.at(key);
  if (given.is_number_integer() && given >= least && given <= most) return given.get<int64_t>();
  problems.Add(JoinPath(path, key), "must be an integer between " + std::to_string(least) +
                                        " and " + std::to_string(most) + ", got " + Shown(given));
  return value;
}

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

std::vector<Assignments> Combine(std::vector<Assignments> points, const std::vector<Axis>& axes) {
  for (const Axis& axis : axes) {
    if (static_cast<double>(points.size()) * static_cast<double>(axis.size()) > kMostTrials)
      throw ConfigError("the axes make more than 100,000 trials");
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

}  // namespace flsim
