// Poisson sampling: each client takes part with probability q, whatever the others do. The size of
// a cohort is binomial, N q on average; it may be 0. It is the sampling that the usual accounting
// of differential privacy assumes (Mironov, Talwar, Zhang, 2019, "Renyi Differential Privacy of the
// Sampled Gaussian Mechanism").
// Cost: one draw for each member of the cohort, whatever the population.
#include <cmath>

#include "strategies/sampler.h"

namespace flsim {
namespace {

class Poisson : public Sampler {
 public:
  struct Options : SamplerOptions {
    double q = 0.1;
    template <class V>
    void Visit(V& v) {
      v(q, "q", "Probability that a client takes part in a round.", UpTo(0, 1));
      SamplerOptions::Visit(v);
    }
  };
  Poisson(const Options& options, const Context&) : Sampler(options), q_(options.q) {}

  void CheckPopulation(int64_t, const std::string&, Problems&) const override {}
  int64_t CohortSize(int64_t) const override { return 0; }

  std::vector<int64_t> Sample(const SamplingRound& round) const override {
    const auto clients = static_cast<double>(round.population.clients);
    Rng rng = round.rng;
    std::vector<int64_t> cohort;
    // The number of clients passed over before the next member is geometric: P(gap >= g) =
    // (1 - q)^g, so gap = floor(log(1 - u) / log(1 - q)) for u uniform in [0, 1); 0 for q = 1.
    const double log_miss = std::log1p(-q_);
    for (double client = -1;;) {
      client += 1 + std::floor(std::log1p(-rng.Uniform()) / log_miss);
      if (!(client < clients)) return cohort;
      cohort.push_back(static_cast<int64_t>(client));
    }
  }

 private:
  double q_;
};

FLSIM_REGISTER(Sampler, Poisson, "poisson",
               "Each client with the same probability, independently of the others.");

}  // namespace
}  // namespace flsim
