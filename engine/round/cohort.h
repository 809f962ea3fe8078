// Who takes part in a round.
#pragma once

#include <functional>
#include <vector>

#include "strategies/sampler.h"

namespace flsim {

struct Cohort {
  std::vector<int64_t> clients;  ///< those that train, in increasing order; may be empty
  int64_t selected = 0;          ///< clients that were sent the model, dropped ones included
};

/// Samples a round's clients, lets each drop out with the sampler's probability and, of those left,
/// keeps the first to arrive, in random order, up to the cohort's size. At least one of a cohort of
/// fixed size arrives. `losses`: see SamplingRound.
Cohort SampleCohort(const Sampler& sampler, const Population& population, uint64_t seed,
                    int64_t round,
                    const std::function<std::vector<double>(const std::vector<int64_t>&)>& losses);

}  // namespace flsim
