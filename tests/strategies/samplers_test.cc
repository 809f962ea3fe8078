#include <catch2/catch.hpp>
#include <map>

#include "tests/strategies/sampling_round.h"

namespace flsim::sampling {
namespace {

TEST_CASE("the uniform sampler draws distinct clients, each as often as any other") {
  const auto sampler = BuildComponent<Sampler>({{"name", "uniform"}, {"cohort", 7}});
  constexpr int kRounds = 20000, kClients = 30;
  const Clients clients(kClients, 5);
  std::vector<int> drawn(kClients);
  for (int64_t round = 1; round <= kRounds; ++round) {
    const Cohort cohort = sampler->Sample(Round(*sampler, clients, round));
    REQUIRE(cohort.size() == 7);
    REQUIRE(IsIncreasing(cohort));
    for (const int64_t client : cohort) ++drawn[static_cast<size_t>(client)];
  }
  for (const int count : drawn) CHECK(IsLikely(count, 7.0 / kClients, kRounds));
}

/// P(the first `cohort` draws of successive sampling are these clients, in any order), by going
/// through all orders.
std::map<Cohort, double> SuccessiveSampling(const std::vector<int64_t>& examples, size_t cohort) {
  std::map<Cohort, double> probability;
  Cohort drawn;
  const std::function<void(double)> draw = [&](double p) {
    if (drawn.size() == cohort) {
      Cohort sorted = drawn;
      std::sort(sorted.begin(), sorted.end());
      probability[sorted] += p;
      return;
    }
    int64_t left = std::accumulate(examples.begin(), examples.end(), int64_t{0});
    for (const int64_t client : drawn) left -= examples[static_cast<size_t>(client)];
    for (size_t k = 0; k < examples.size(); ++k) {
      const auto client = static_cast<int64_t>(k);
      if (std::find(drawn.begin(), drawn.end(), client) != drawn.end()) continue;
      drawn.push_back(client);
      draw(p * static_cast<double>(examples[k]) / static_cast<double>(left));
      drawn.pop_back();
    }
  };
  draw(1);
  return probability;
}

TEST_CASE("the weighted sampler has the probabilities of drawing one after the other") {
  const std::vector<int64_t> examples = {1, 2, 3, 6, 500};
  const Clients clients(examples);
  for (const size_t size : {1u, 2u, 3u, 4u}) {
    const auto sampler = BuildComponent<Sampler>({{"name", "weighted"}, {"cohort", size}});
    const auto expected = SuccessiveSampling(examples, size);
    constexpr int kRounds = 40000;
    std::map<Cohort, int> drawn;
    for (int64_t round = 1; round <= kRounds; ++round)
      ++drawn[sampler->Sample(Round(*sampler, clients, round))];
    double total = 0;
    for (const auto& [cohort, p] : expected) {
      INFO(size << " clients, probability " << p);
      CHECK(IsLikely(drawn[cohort], p, kRounds));
      total += p;
    }
    CHECK(total == Approx(1));
    CHECK(drawn.size() == expected.size());  // nothing else was drawn
  }
}

TEST_CASE("with equal examples the weighted sampler is uniform over cohorts") {
  const auto sampler = BuildComponent<Sampler>({{"name", "weighted"}, {"cohort", 2}});
  const Clients clients(5, 8);
  std::map<Cohort, int> drawn;
  for (int64_t round = 1; round <= 20000; ++round)
    ++drawn[sampler->Sample(Round(*sampler, clients, round))];
  CHECK(drawn.size() == 10);
  for (const auto& [cohort, count] : drawn) CHECK(IsLikely(count, 0.1, 20000));
}

TEST_CASE("clients without examples come last in the weighted sampler") {
  const auto sampler = BuildComponent<Sampler>({{"name", "weighted"}, {"cohort", 3}});
  const Clients clients({0, 4, 0, 0, 9});
  for (int64_t round = 1; round <= 100; ++round)
    CHECK(sampler->Sample(Round(*sampler, clients, round)) == Cohort{0, 1, 4});
}

TEST_CASE("round robin takes consecutive clients and begins again") {
  const auto sampler = BuildComponent<Sampler>({{"name", "round_robin"}, {"cohort", 3}});
  const Clients clients(7, 1);
  const std::vector<Cohort> expected = {{0, 1, 2}, {3, 4, 5}, {0, 1, 6}, {2, 3, 4},
                                        {0, 5, 6}, {1, 2, 3}, {4, 5, 6}, {0, 1, 2}};
  for (size_t i = 0; i < expected.size(); ++i) {
    CHECK(sampler->Sample(Round(*sampler, clients, static_cast<int64_t>(i) + 1)) == expected[i]);
  }
}

TEST_CASE("in N rounds of K, round robin takes every client K times, in any order") {
  for (const bool shuffle : {false, true}) {
    const auto sampler =
        BuildComponent<Sampler>({{"name", "round_robin"}, {"cohort", 4}, {"shuffle", shuffle}});
    const Clients clients(30, 1);
    for (const int64_t start : {1L, 17L, 1000000000L}) {
      std::vector<int> drawn(30);
      for (int64_t round = start; round < start + 30; ++round) {
        const Cohort cohort = sampler->Sample(Round(*sampler, clients, round));
        CHECK(IsIncreasing(cohort));
        for (const int64_t client : cohort) ++drawn[static_cast<size_t>(client)];
      }
      CHECK(drawn == std::vector<int>(30, 4));
    }
    // The order is that of the ids, or not.
    CHECK((sampler->Sample(Round(*sampler, clients, 1)) == Cohort{0, 1, 2, 3}) == !shuffle);
  }
}

TEST_CASE("the Poisson sampler draws each client with probability q, whatever the others do") {
  constexpr int kRounds = 20000;
  for (const double q : {0.05, 0.4, 0.9}) {
    const auto sampler = BuildComponent<Sampler>({{"name", "poisson"}, {"q", q}});
    const Clients clients(20, 1);
    REQUIRE(sampler->CohortSize(20) == 0);
    std::vector<int> drawn(20);
    std::vector<std::vector<int>> together(20, std::vector<int>(20));
    int empty = 0;
    double squares = 0;
    for (int64_t round = 1; round <= kRounds; ++round) {
      const Cohort cohort = sampler->Sample(Round(*sampler, clients, round));
      REQUIRE(IsIncreasing(cohort));
      empty += cohort.empty();
      squares += std::pow(static_cast<double>(cohort.size()) - 20 * q, 2);
      for (const int64_t a : cohort) {
        ++drawn[static_cast<size_t>(a)];
        for (const int64_t b : cohort) ++together[static_cast<size_t>(a)][static_cast<size_t>(b)];
      }
    }
    INFO("q " << q);
    for (size_t a = 0; a < 20; ++a) {
      CHECK(IsLikely(drawn[a], q, kRounds));
      for (size_t b = 0; b < a; ++b) CHECK(IsLikely(together[a][b], q * q, kRounds));
    }
    CHECK(IsLikely(empty, std::pow(1 - q, 20), kRounds));
    // The size is binomial; its sample variance has a standard deviation of about
    // sqrt(2 / rounds) of itself.
    const double variance = 20 * q * (1 - q);
    CHECK(std::abs(squares / kRounds - variance) < 5 * variance * std::sqrt(2.0 / kRounds));
  }
}

TEST_CASE("the Poisson sampler with q = 1 takes everyone, with a tiny q hardly anyone") {
  const Clients clients(100, 1);
  const auto all = BuildComponent<Sampler>({{"name", "poisson"}, {"q", 1}});
  Cohort everyone(100);
  std::iota(everyone.begin(), everyone.end(), 0);
  CHECK(all->Sample(Round(*all, clients, 1)) == everyone);
  const auto none = BuildComponent<Sampler>({{"name", "poisson"}, {"q", 1e-300}});
  for (int64_t round = 1; round <= 1000; ++round)
    CHECK(none->Sample(Round(*none, clients, round)).empty());
}

TEST_CASE("a Poisson round costs what its cohort costs, not what the population does") {
  const Clients million(1000000, 1);
  const auto sampler = BuildComponent<Sampler>({{"name", "poisson"}, {"q", 1e-5}});
  int64_t drawn = 0, upper_half = 0;
  constexpr int kRounds = 50000;  // minutes, were each to look at a million clients
  for (int64_t round = 1; round <= kRounds; ++round) {
    for (const int64_t client : sampler->Sample(Round(*sampler, million, round))) {
      ++drawn;
      upper_half += client >= 500000;
      REQUIRE(client < 1000000);
    }
  }
  CHECK(IsLikely(drawn, 1e-5, 1e6 * kRounds));
  CHECK(IsLikely(upper_half, 1e-5, 0.5e6 * kRounds));
}

TEST_CASE("power of choice takes the candidates with the highest losses") {
  const auto sampler =
      BuildComponent<Sampler>({{"name", "power_of_choice"}, {"cohort", 4}, {"candidates", 12}});
  const Clients clients(50, 3);
  for (int64_t round = 1; round <= 200; ++round) {
    Cohort candidates;
    const Cohort cohort = sampler->Sample(Round(*sampler, clients, round, [&](const Cohort& asked) {
      candidates = asked;
      return ScatteredLosses(asked);
    }));
    REQUIRE(candidates.size() == 12);
    REQUIRE(IsIncreasing(candidates));
    std::sort(candidates.begin(), candidates.end(), [](int64_t a, int64_t b) {
      return ScatteredLosses({a})[0] > ScatteredLosses({b})[0];
    });
    candidates.resize(4);
    std::sort(candidates.begin(), candidates.end());
    CHECK(cohort == candidates);
  }
}

TEST_CASE("power of choice with as many candidates as members is the weighted sampler") {
  const auto choice =
      BuildComponent<Sampler>({{"name", "power_of_choice"}, {"cohort", 6}, {"candidates", 6}});
  const auto weighted = BuildComponent<Sampler>({{"name", "weighted"}, {"cohort", 6}});
  std::vector<int64_t> examples(40);
  std::iota(examples.begin(), examples.end(), 1);
  const Clients clients(examples);
  for (int64_t round = 1; round <= 100; ++round) {
    CHECK(choice->Sample(Round(*choice, clients, round, ScatteredLosses)) ==
          weighted->Sample(Round(*weighted, clients, round)));
  }
}

TEST_CASE("power of choice breaks ties at random and takes a client whose loss is NaN") {
  const auto sampler =
      BuildComponent<Sampler>({{"name", "power_of_choice"}, {"cohort", 2}, {"candidates", 8}});
  const Clients clients(8, 3);
  std::vector<int> drawn(8);
  for (int64_t round = 1; round <= 20000; ++round) {
    const Losses equal = [](const Cohort& asked) { return std::vector<double>(asked.size(), 0.5); };
    for (const int64_t client : sampler->Sample(Round(*sampler, clients, round, equal)))
      ++drawn[static_cast<size_t>(client)];
  }
  for (const int count : drawn) CHECK(IsLikely(count, 2.0 / 8, 20000));
  const Losses with_nan = [](const Cohort& asked) {
    std::vector<double> losses(asked.size(), 1);
    losses[3] = std::nan("");
    losses[6] = 2;
    return losses;
  };
  CHECK(sampler->Sample(Round(*sampler, clients, 1, with_nan)) == Cohort{3, 6});
}

TEST_CASE("the candidates of power of choice are between the cohort and the population") {
  const auto sampler =
      BuildComponent<Sampler>({{"name", "power_of_choice"}, {"cohort", 5}, {"candidates", 4}});
  CHECK(PopulationProblem(*sampler, 10) ==
        "test.json has 1 problem\n  sampler.candidates: must be at least 5 (the cohort), got 4");
  const auto many =
      BuildComponent<Sampler>({{"name", "power_of_choice"}, {"cohort", 5}, {"candidates", 11}});
  CHECK(PopulationProblem(*many, 10) ==
        "test.json has 1 problem\n  sampler.candidates: must be at most 10 (the clients of the "
        "partition), got 11");
  CHECK(PopulationProblem(*many, 11).empty());
}

}  // namespace
}  // namespace flsim::sampling
