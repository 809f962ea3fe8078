// Consecutive cohorts of a fixed order of the clients, from its beginning again after its end: in
// any N rounds with cohorts of K every client takes part K times.
#include <algorithm>
#include <numeric>

#include "strategies/samplers/cohort_options.h"

namespace flsim {
namespace {

class RoundRobin : public Sampler {
 public:
  struct Options : CohortOptions {
    bool shuffle = false;
    template <class V>
    void Visit(V& v) {
      CohortOptions::Visit(v);
      v(shuffle, "shuffle",
        "Takes an order of the clients drawn from the seed; else that of their ids.");
    }
  };
  RoundRobin(const Options& options, const Context&) : Sampler(options), options_(options) {}

  void CheckPopulation(int64_t clients, const std::string& path,
                       Problems& problems) const override {
    options_.CheckPopulation(clients, path, problems);
  }
  int64_t CohortSize(int64_t clients) const override { return options_.Size(clients); }

  std::vector<int64_t> Sample(const SamplingRound& round) const override {
    const int64_t clients = round.population.clients;
    std::vector<int64_t> order;
    if (options_.shuffle) {
      order.resize(static_cast<size_t>(clients));
      std::iota(order.begin(), order.end(), 0);
      Rng(round.seed, {"round_robin"}).Shuffle(order.data(), clients);
    }
    std::vector<int64_t> cohort(static_cast<size_t>(round.cohort));
    // Modulo first: round * cohort may not fit.
    int64_t place = (round.round - 1) % clients * round.cohort % clients;
    for (int64_t& member : cohort) {
      member = order.empty() ? place : order[static_cast<size_t>(place)];
      place = (place + 1) % clients;
    }
    std::sort(cohort.begin(), cohort.end());
    return cohort;
  }

 private:
  Options options_;
};

FLSIM_REGISTER(Sampler, RoundRobin, "round_robin",
               "Consecutive cohorts of fixed size, each client in its turn.");

}  // namespace
}  // namespace flsim
