// Every round a cohort of fixed size, drawn uniformly without replacement.
#include <cstdint>
#include <vector>

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
    // A bit for each client, which is little beside what the partition holds for each.
    std::vector<uint64_t> members(static_cast<size_t>(clients + 63) / 64);
    const auto insert = [&](uint64_t client) {
      uint64_t& word = members[client / 64];
      const uint64_t bit = uint64_t{1} << client % 64;
      const bool is_new = (word & bit) == 0;
      word |= bit;
      return is_new;
    };
    for (int64_t j = clients - round.cohort; j < clients; ++j) {
      if (!insert(rng.Below(static_cast<uint64_t>(j) + 1))) insert(static_cast<uint64_t>(j));
    }
    std::vector<int64_t> sorted;
    sorted.reserve(static_cast<size_t>(round.cohort));
    for (size_t i = 0; i < members.size(); ++i) {
      for (uint64_t word = members[i]; word != 0; word &= word - 1) {
        sorted.push_back(static_cast<int64_t>(i) * 64 + __builtin_ctzll(word));
      }
    }
    return sorted;
  }

 private:
  Options options_;
};

FLSIM_REGISTER(Sampler, Uniform, "uniform",
               "A cohort of fixed size, drawn uniformly without replacement.");

}  // namespace
}  // namespace flsim
