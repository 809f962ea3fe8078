#include "engine/round/cohort.h"

#include <algorithm>
#include <cmath>

namespace flsim {

Cohort SampleCohort(const Sampler& sampler, const Population& population, uint64_t seed,
                    int64_t round,
                    const std::function<std::vector<double>(const std::vector<int64_t>&)>& losses) {
  const SamplerOptions& options = sampler.options();
  const int64_t wanted = sampler.CohortSize(population.clients);
  const auto number = static_cast<uint64_t>(round);
  SamplingRound sampling{seed, round, population, 0, Rng(seed, {"sample", number}), losses};
  // Less a hair, so that 10 times 1.3 is 13 and not 14.
  const double selected = std::ceil(static_cast<double>(wanted) * options.over_selection - 1e-9);
  sampling.cohort =
      static_cast<int64_t>(std::min(static_cast<double>(population.clients), selected));
  Cohort cohort;
  cohort.clients = sampler.Sample(sampling);
  cohort.selected = static_cast<int64_t>(cohort.clients.size());
  if (options.dropout == 0 && cohort.selected == (wanted == 0 ? cohort.selected : wanted)) {
    return cohort;
  }
  Rng rng(seed, {"arrive", number});
  std::vector<int64_t> arrived;
  rng.Shuffle(cohort.clients.data(), cohort.selected);
  for (const int64_t client : cohort.clients) {
    if (rng.Uniform() >= options.dropout) arrived.push_back(client);
  }
  if (arrived.empty() && wanted > 0) arrived.push_back(cohort.clients.front());
  if (wanted > 0 && static_cast<int64_t>(arrived.size()) > wanted) {
    arrived.resize(static_cast<size_t>(wanted));
  }
  std::sort(arrived.begin(), arrived.end());
  cohort.clients = std::move(arrived);
  return cohort;
}

}  // namespace flsim
