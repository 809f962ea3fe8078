#include "engine/experiment/stopping.h"

#include "engine/experiment/record.h"

namespace flsim {

void Watch(const StopOptions& options, const RoundRecord& record, StopState& state) {
  if (!options.Watches()) return;
  const Json metrics = MetricsJson(record);
  const std::string& name = *options.metric;
  if (!metrics.contains(name)) return;
  const auto value = metrics.at(name).get<double>();
  const double sign = HigherIsBetter(name) ? 1 : -1;
  if (options.target && sign * value >= sign * *options.target) {
    state.reason = name + " reached " + ShowNumber(*options.target);
    return;
  }
  if (!state.best || sign * value > sign * *state.best + options.min_delta) {
    state.best = value;
    state.stale = 0;
  } else if (++state.stale == options.patience) {
    state.reason = name + " has not improved for " + std::to_string(state.stale) +
                   (state.stale == 1 ? " evaluation" : " evaluations");
  }
}

void CheckBudget(const StopOptions& options, double seconds, int64_t bytes, int64_t examples,
                 StopState& state) {
  if (options.seconds > 0 && seconds >= options.seconds) {
    state.reason = "stop.seconds (" + ShowNumber(options.seconds) + ") are spent";
  } else if (options.bytes > 0 && bytes >= options.bytes) {
    state.reason = "stop.bytes (" + std::to_string(options.bytes) + ") are spent";
  } else if (options.examples > 0 && examples >= options.examples) {
    state.reason = "stop.examples (" + std::to_string(options.examples) + ") are spent";
  }
}

}  // namespace flsim
