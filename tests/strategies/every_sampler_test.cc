#include <catch2/catch.hpp>
#include <set>

#include "tests/strategies/sampling_round.h"

namespace flsim::sampling {
namespace {

TEST_CASE("cohorts of a fixed size have it, in increasing order, the same for the same round") {
  const Clients clients(37, 4);
  for (const std::string& name : Kinds().at("sampler").names()) {
    if (name == "file" || name == "poisson") continue;
    INFO(name);
    for (const int64_t size : {1, 9, 18, 37}) {
      const auto sampler = BuildComponent<Sampler>({{"name", name}, {"cohort", size}});
      REQUIRE(sampler->CohortSize(37) == size);
      std::set<Cohort> different;
      for (int64_t round = 1; round <= 50; ++round) {
        const Cohort cohort = sampler->Sample(Round(*sampler, clients, round, ScatteredLosses));
        CHECK(cohort.size() == static_cast<size_t>(size));
        CHECK(IsIncreasing(cohort));
        CHECK((cohort.front() >= 0 && cohort.back() < 37));
        CHECK(cohort == sampler->Sample(Round(*sampler, clients, round, ScatteredLosses)));
        different.insert(cohort);
      }
      CHECK((size == 37 || different.size() > 1));
    }
    // The engine asks for more where the sampler over-selects, or for all.
    const auto sampler = BuildComponent<Sampler>({{"name", name}, {"cohort", 5}});
    SamplingRound more = Round(*sampler, clients, 1, ScatteredLosses);
    more.cohort = 37;
    CHECK(sampler->Sample(more).size() == 37);
  }
}

TEST_CASE("a cohort is a number or a part of the population, a tenth by default") {
  for (const std::string& name : Kinds().at("sampler").names()) {
    if (name == "file" || name == "poisson") continue;
    INFO(name);
    CHECK(BuildComponent<Sampler>(name)->CohortSize(37) == 4);
    CHECK(BuildComponent<Sampler>(name)->CohortSize(3) == 1);
    CHECK(BuildComponent<Sampler>({{"name", name}, {"fraction", 0.5}})->CohortSize(37) == 19);
    CHECK(BuildComponent<Sampler>({{"name", name}, {"fraction", 1}})->CohortSize(37) == 37);
    CHECK(WhyRefused<Sampler>({{"name", name}, {"cohort", 2}, {"fraction", 0.5}}) ==
          "test.json has 1 problem\n  sampler.fraction: give either cohort or fraction, not both");
    const auto ten = BuildComponent<Sampler>({{"name", name}, {"cohort", 10}});
    CHECK(PopulationProblem(*ten, 10).empty());
    CHECK(PopulationProblem(*ten, 9) ==
          "test.json has 1 problem\n  sampler.cohort: must be at most 9 (the clients of the "
          "partition), got 10");
  }
}

TEST_CASE("every sampler takes options for over-selection and dropout") {
  const ListedCohorts file("[[0]]");
  for (const std::string& name : Kinds().at("sampler").names()) {
    INFO(name);
    Json options = name == "file" ? file.options() : Json{{"name", name}};
    CHECK(BuildComponent<Sampler>(options)->options().over_selection == 1);
    CHECK(BuildComponent<Sampler>(options)->options().dropout == 0);
    options["over_selection"] = 1.5;
    options["dropout"] = 0.25;
    CHECK(BuildComponent<Sampler>(options)->options().over_selection == 1.5);
    CHECK(BuildComponent<Sampler>(options)->options().dropout == 0.25);
  }
}

TEST_CASE("cohorts are drawn from a million clients") {
  std::vector<int64_t> examples(1000000);
  for (size_t i = 0; i < examples.size(); ++i) examples[i] = 1 + static_cast<int64_t>(i % 7);
  const Clients million(examples);
  for (const std::string& name : Kinds().at("sampler").names()) {
    if (name == "file" || name == "poisson") continue;
    INFO(name);
    Json options = {{"name", name}, {"cohort", 1000}};
    if (name == "round_robin") options["shuffle"] = true;
    const auto sampler = BuildComponent<Sampler>(options);
    double examples_drawn = 0;
    for (int64_t round = 1; round <= 3; ++round) {
      const Cohort cohort = sampler->Sample(Round(*sampler, million, round, ScatteredLosses));
      REQUIRE(cohort.size() == 1000);
      REQUIRE(IsIncreasing(cohort));
      for (const int64_t client : cohort)
        examples_drawn += static_cast<double>(million.population().examples(client));
    }
    // A client drawn by size has (1 + 4 + .. + 49) / (1 + .. + 7) = 5 examples on average, another
    // 4; both with a standard deviation of at most 2.
    const bool by_size = name == "weighted" || name == "power_of_choice";
    CHECK(std::abs(examples_drawn / 3000 - (by_size ? 5 : 4)) < 5 * 2 / std::sqrt(3000.0));
  }
}

}  // namespace
}  // namespace flsim::sampling
