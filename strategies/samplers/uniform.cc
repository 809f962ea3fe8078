// Every round a cohort of fixed size, drawn uniformly without replacement.
#include <algorithm>
#include <unordered_set>

#include "strategies/samplers/cohort_options.h"

namespace flsim {
namespace {

class Uniform : public Sampler {
 public:
  using Options = CohortOptions;
  Uniform(const Options& options, const Context&) : Sampler(options), options_(options) {}

  void CheckPopulation(int64_t clients, const std::string& path,
                       Problems& problems) const override {
    options_.CheckPopulation(clients, path, problems);
  }
  int64_t CohortSize(int64_t clients) const override { return options_.Size(clients); }

  std::vector<int64_t> Sample(const SamplingRound& round) const override {
    // Floyd's algorithm (Bentley and Floyd, 1987): one draw for each member, whatever the
    // population.
    const int64_t clients = round.population.clients;
    Rng rng = round.rng;
    std::unordered_set<int64_t> members;
    members.reserve(static_cast<size_t>(round.cohort));
    for (int64_t j = clients - round.cohort; j < clients; ++j) {
      const auto drawn = static_cast<int64_t>(rng.Below(static_cast<uint64_t>(j) + 1));
      if (!members.insert(drawn).second) members.insert(j);
    }
    std::vector<int64_t> sorted(members.begin(), members.end());
    std::sort(sorted.begin(), sorted.end());
    return sorted;
  }

 private:
  Options options_;
};

FLSIM_REGISTER(Sampler, Uniform, "uniform",
               "A cohort of fixed size, drawn uniformly without replacement.");

}  // namespace
}  // namespace flsim
