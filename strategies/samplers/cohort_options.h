// How many clients a round has, for the samplers whose cohorts have a fixed size.
#pragma once

#include <algorithm>
#include <cmath>

#include "strategies/sampler.h"

namespace flsim {

struct CohortOptions : SamplerOptions {
  std::optional<int64_t> cohort;
  std::optional<double> fraction;
  template <class V>
  void Visit(V& v) {
    v(cohort, "cohort", "Clients per round.", AtLeast(1));
    v(fraction, "fraction",
      "Clients per round as a part of the population (rounded, at least one); 0.1 if cohort is "
      "absent too.",
      UpTo(0, 1));
    SamplerOptions::Visit(v);
  }
  void Check(Problems& problems, const std::string& path) {
    if (cohort && fraction)
      problems.Add(JoinPath(path, "fraction"), "give either cohort or fraction, not both");
    if (!cohort && !fraction) fraction = 0.1;
  }

  /// The clients of a round, of this population.
  int64_t Size(int64_t clients) const {
    if (cohort) return *cohort;
    return std::max<int64_t>(1, std::llround(*fraction * static_cast<double>(clients)));
  }
  void CheckPopulation(int64_t clients, const std::string& path, Problems& problems) const {
    if (cohort && *cohort > clients) {
      problems.Add(JoinPath(path, "cohort"), "must be at most " + std::to_string(clients) +
                                                 " (the clients of the partition), got " +
                                                 std::to_string(*cohort));
    }
  }
};

}  // namespace flsim
