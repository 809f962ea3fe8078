#include "engine/round/cohort.h"

#include <catch2/catch.hpp>
#include <set>

namespace flsim {
namespace {

std::unique_ptr<Sampler> Make(const Json& json) {
  Problems problems;
  Choice<Sampler> choice;
  choice.Bind(json, "sampler", problems);
  problems.ThrowIfAny("test");
  return choice.Make({});
}

struct People {
  explicit People(int64_t clients) {
    for (int64_t k = 0; k <= clients; ++k) offsets.push_back(10 * k);
  }
  Cohort Sample(const Sampler& sampler, int64_t round) const {
    const Population population{static_cast<int64_t>(offsets.size()) - 1, offsets.data()};
    return SampleCohort(sampler, population, 1, round, nullptr);
  }
  std::vector<int64_t> offsets;
};

TEST_CASE("over-selection makes up for dropouts: the first to arrive are the cohort") {
  const People people(100);
  const auto sampler =
      Make({{"name", "uniform"}, {"cohort", 10}, {"over_selection", 1.3}, {"dropout", 0.2}});
  std::vector<int> served(100);
  int full = 0;
  constexpr int kRounds = 5000;
  for (int round = 1; round <= kRounds; ++round) {
    const Cohort cohort = people.Sample(*sampler, round);
    CHECK(cohort.selected == 13);
    REQUIRE(cohort.clients.size() >= 1);
    REQUIRE(cohort.clients.size() <= 10);
    CHECK(std::is_sorted(cohort.clients.begin(), cohort.clients.end()));
    CHECK(std::set<int64_t>(cohort.clients.begin(), cohort.clients.end()).size() ==
          cohort.clients.size());
    full += cohort.clients.size() == 10;
    for (const int64_t client : cohort.clients) ++served[static_cast<size_t>(client)];
  }
  // At least 10 of 13 arrive with probability 0.747 (binomial); five standard deviations of a
  // count are 154.
  CHECK(std::abs(full - 0.7473 * kRounds) < 154);
  // Nobody is favoured: the mean is some 470 a client, standard deviation 21.
  int least = kRounds, most = 0;
  for (const int count : served) {
    least = std::min(least, count);
    most = std::max(most, count);
  }
  CHECK(most - least < 10 * 21);
}

TEST_CASE("without dropout or over-selection the cohort is what the sampler drew") {
  const People people(50);
  const auto plain = Make({{"name", "uniform"}, {"cohort", 7}});
  const Cohort cohort = people.Sample(*plain, 3);
  CHECK(cohort.selected == 7);
  CHECK(cohort.clients.size() == 7);
}

TEST_CASE("with dropout alone a round has the clients that arrive, at least one") {
  const People people(50);
  const auto sampler = Make({{"name", "uniform"}, {"cohort", 2}, {"dropout", 0.9}});
  double arrived = 0;
  constexpr int kRounds = 20000;
  for (int round = 1; round <= kRounds; ++round) {
    const Cohort cohort = people.Sample(*sampler, round);
    REQUIRE(cohort.clients.size() >= 1);
    arrived += static_cast<double>(cohort.clients.size());
  }
  // 1 + P(both arrive) = 1.01, standard deviation of the mean 0.0007.
  CHECK(arrived / kRounds == Approx(1.01).margin(0.0035));
}

TEST_CASE("over-selection never asks for more clients than there are") {
  const People people(8);
  const auto sampler = Make({{"name", "uniform"}, {"cohort", 8}, {"over_selection", 2.0}});
  const Cohort cohort = people.Sample(*sampler, 1);
  CHECK(cohort.selected == 8);
  CHECK(cohort.clients.size() == 8);
}

}  // namespace
}  // namespace flsim
