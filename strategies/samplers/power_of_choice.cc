// Power of choice: of d candidates, drawn in proportion to their examples without replacement, the
// m with the highest loss of the global model are the cohort.
// Cho, Wang, Joshi (2022), "Towards Understanding Biased Client Selection in Federated Learning"
// (first as "Client Selection in Federated Learning: Convergence Analysis and Power-of-Choice
// Selection Strategies", 2020), pow-d.
//   d  candidates      m  cohort      F_k(w)  round.losses, over all training examples of k
// Ties are broken at random. The paper then averages the cohort's models uniformly (aggregator
// mean, weighting "uniform"); by examples, large clients are favoured twice. Cost: a draw for each
// client of the population, and an evaluation of the model on the examples of d clients, each
// round.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "strategies/samplers/by_examples.h"
#include "strategies/samplers/cohort_options.h"

namespace flsim {
namespace {

class PowerOfChoice : public Sampler {
 public:
  struct Options : CohortOptions {
    std::optional<int64_t> candidates;
    template <class V>
    void Visit(V& v) {
      CohortOptions::Visit(v);
      v(candidates, "candidates",
        "Clients whose loss is looked at, d, at least the cohort; if left out, twice the cohort "
        "(at most all clients).",
        AtLeast(1));
    }
  };
  PowerOfChoice(const Options& options, const Context&) : Sampler(options), options_(options) {}

  void CheckPopulation(int64_t clients, const std::string& path,
                       Problems& problems) const override {
    options_.CheckPopulation(clients, path, problems);
    if (options().over_selection > 1) {
      problems.Add(JoinPath(path, "over_selection"),
                   "can't be combined with power_of_choice: of more than the cohort those with the "
                   "highest loss would no longer be chosen; leave it out");
    }
    if (!options_.candidates) return;
    const auto refuse = [&](const std::string& bound) {
      problems.Add(JoinPath(path, "candidates"),
                   "must be " + bound + ", got " + std::to_string(*options_.candidates));
    };
    const int64_t cohort = options_.Size(clients);
    if (*options_.candidates < cohort)
      refuse("at least " + std::to_string(cohort) + " (the cohort)");
    if (*options_.candidates > clients)
      refuse("at most " + std::to_string(clients) + " (the clients of the partition)");
  }
  int64_t CohortSize(int64_t clients) const override { return options_.Size(clients); }

  std::vector<int64_t> Sample(const SamplingRound& round) const override {
    const int64_t clients = round.population.clients;
    Rng rng = round.rng;
    // Over-selection may ask for more than the candidates.
    const int64_t d = std::max(
        round.cohort, options_.candidates.value_or(std::min(2 * options_.Size(clients), clients)));
    const std::vector<int64_t> candidates = DrawByExamples(round.population, d, rng);
    const std::vector<double> losses = round.losses(candidates);
    FLSIM_CHECK(losses.size() == candidates.size(), losses.size(), candidates.size());
    std::vector<size_t> order(candidates.size());
    std::iota(order.begin(), order.end(), size_t{0});
    rng.Shuffle(order.data(), d);
    // NaN is not ordered; a client with such a loss is chosen, and training then names it.
    const auto loss = [&](size_t i) { return std::isnan(losses[i]) ? HUGE_VAL : losses[i]; };
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return loss(a) > loss(b); });
    std::vector<int64_t> cohort;
    for (int64_t i = 0; i < round.cohort; ++i)
      cohort.push_back(candidates[order[static_cast<size_t>(i)]]);
    std::sort(cohort.begin(), cohort.end());
    return cohort;
  }

 private:
  Options options_;
};

FLSIM_REGISTER(
    Sampler, PowerOfChoice, "power_of_choice",
    "Of some candidates, drawn by size, those with the highest loss (Cho et al., 2022); with the "
    "mean by uniform weights.");

}  // namespace
}  // namespace flsim
