#include "engine/analysis/curves_json.h"

#include <cmath>
#include <cstdlib>

#include "engine/analysis/curves.h"
#include "engine/core/text.h"

namespace flsim {
namespace {

Json Rounded(double value) {
  if (!std::isfinite(value)) return nullptr;
  return std::strtod(Format("%.7g", value).c_str(), nullptr);
}

}  // namespace

Json Rounded(const std::vector<double>& values) {
  Json list = Json::array();
  for (const double value : values) list.push_back(Rounded(value));
  return list;
}

size_t CurvesJson::Add(const std::string& metric, size_t most_points) {
  const GroupCurve curve = CurveOf(group_, metric, most_points);
  if (curve.rounds.empty()) return 0;
  Json json = {{"grid", Grid(curve.rounds)}, {"mean", Rounded(curve.mean)}};
  if (group_.runs.size() > 1) {
    json["std"] = Rounded(curve.std);
    json["min"] = Rounded(curve.min);
    json["max"] = Rounded(curve.max);
    json["runs"] = curve.runs;
    for (const auto& values : curve.each) json["each"].push_back(Rounded(values));
  }
  curves_[metric] = std::move(json);
  return curve.thinned_from > curve.rounds.size() ? curve.thinned_from : 0;
}

size_t CurvesJson::Grid(const std::vector<int64_t>& rounds) {
  const auto [at, is_new] = known_.emplace(rounds, known_.size());
  if (is_new) {
    const Spending spending = SpendingAt(group_, rounds);
    grids_.push_back({{"round", rounds},
                      {"seconds", Rounded(spending.seconds)},
                      {"bytes", Rounded(spending.bytes)}});
  }
  return at->second;
}

}  // namespace flsim
