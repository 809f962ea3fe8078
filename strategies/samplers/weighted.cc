// Every round a cohort of fixed size, drawn without replacement by successive sampling: a client
// with twice the examples is twice as likely to be the next one drawn. (Its probability of being in
// the cohort is less than twice as large: nobody is in it more than once.) An aggregator that also
// weighs by examples counts them twice; aggregator.weighting "uniform" goes with this sampler (Li,
// Huang, Yang, Wang, Zhang, 2020, "On the Convergence of FedAvg on Non-IID Data", Scheme I, which
// draws with replacement). Cost: one draw for each client of the population, each round.
#include "strategies/samplers/by_examples.h"
#include "strategies/samplers/cohort_options.h"

namespace flsim {
namespace {

class Weighted : public Sampler {
 public:
  using Options = CohortOptions;
  Weighted(const Options& options, const Context&) : Sampler(options), options_(options) {}

  void CheckPopulation(int64_t clients, const std::string& path,
                       Problems& problems) const override {
    options_.CheckPopulation(clients, path, problems);
  }
  int64_t CohortSize(int64_t clients) const override { return options_.Size(clients); }

  std::vector<int64_t> Sample(const SamplingRound& round) const override {
    Rng rng = round.rng;
    return DrawByExamples(round.population, round.cohort, rng);
  }

 private:
  Options options_;
};

FLSIM_REGISTER(
    Sampler, Weighted, "weighted",
    "A cohort of fixed size, drawn in proportion to examples without replacement; with the mean "
    "by uniform weights, or size counts twice.");

}  // namespace
}  // namespace flsim
