// Curves as the data block of a page has them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/analysis/runs.h"

namespace flsim {

/// Each with seven significant digits, which is more than float32 has; null for NaN.
Json Rounded(const std::vector<double>& values);

/// A group's curves by metric; those with the same rounds share one grid of x values.
class CurvesJson {
 public:
  explicit CurvesJson(const RunGroup& group) : group_(group) {}

  /// Adds CurveOf() the metric, if any run has it; returns from how many rounds it was thinned, 0
  /// if it wasn't.
  size_t Add(const std::string& metric, size_t most_points);

  /// A list of {"round", "seconds", "bytes"}.
  const Json& grids() const { return grids_; }
  /// {metric: {"grid", "mean"}}, and for several runs also "std", "min", "max", "runs", "each".
  const Json& curves() const { return curves_; }

 private:
  size_t Grid(const std::vector<int64_t>& rounds);

  const RunGroup& group_;
  std::map<std::vector<int64_t>, size_t> known_;
  Json grids_ = Json::array(), curves_ = Json::object();
};

}  // namespace flsim
