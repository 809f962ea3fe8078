// Rounds for the tests of samplers.
#pragma once

#include <algorithm>
#include <cmath>
#include <fstream>
#include <numeric>
#include <string>
#include <vector>

#include "strategies/sampler.h"
#include "tests/strategies/component.h"

namespace flsim::sampling {

using Cohort = std::vector<int64_t>;

/// Clients with these numbers of examples.
struct Clients {
  explicit Clients(const std::vector<int64_t>& examples) : offsets(examples.size() + 1) {
    std::partial_sum(examples.begin(), examples.end(), offsets.begin() + 1);
  }
  Clients(size_t n, int64_t examples) : Clients(std::vector<int64_t>(n, examples)) {}
  Population population() const {
    return {static_cast<int64_t>(offsets.size()) - 1, offsets.data()};
  }
  std::vector<int64_t> offsets;
};

using Losses = std::function<std::vector<double>(const Cohort&)>;

/// What a sampler's round is given.
inline SamplingRound Round(const Sampler& sampler, const Clients& clients, int64_t round,
                           const Losses& losses = nullptr) {
  const Population population = clients.population();
  return {1,
          round,
          population,
          sampler.CohortSize(population.clients),
          Rng(1, {"sample", static_cast<uint64_t>(round)}),
          losses};
}

/// A loss for each client that no other has, in no order.
inline std::vector<double> ScatteredLosses(const Cohort& clients) {
  std::vector<double> losses;
  for (const int64_t client : clients)
    losses.push_back(std::fmod(static_cast<double>(client) * 0.6180339887, 1.0));
  return losses;
}

inline bool IsIncreasing(const Cohort& cohort) {
  return std::adjacent_find(cohort.begin(), cohort.end(), std::greater_equal<>()) == cohort.end();
}

/// Whether a count of successes of probability p in n trials is within five standard deviations.
inline bool IsLikely(int64_t count, double p, double n) {
  return std::abs(static_cast<double>(count) - n * p) <= 5 * std::sqrt(n * p * (1 - p));
}

inline std::string PopulationProblem(const Sampler& sampler, int64_t clients) {
  Problems problems;
  sampler.CheckPopulation(clients, "sampler", problems);
  return ErrorOf<ConfigError>([&] { problems.ThrowIfAny("test.json"); });
}

/// A sampler `file` on a file of this text; `refused` gets the folder's name taken out.
struct ListedCohorts {
  explicit ListedCohorts(const std::string& text) { std::ofstream(path) << text; }
  Json options(bool repeat = false) const {
    return {{"name", "file"}, {"path", path}, {"repeat", repeat}};
  }
  std::string WithoutFolder(std::string text) const {
    for (size_t at; (at = text.find(path)) != std::string::npos;)
      text.replace(at, path.size(), "cohorts.json");
    return text;
  }
  std::string WhyRefused() const { return WithoutFolder(flsim::WhyRefused<Sampler>(options())); }
  TempFolder folder;
  std::string path = folder / "cohorts.json";
};

}  // namespace flsim::sampling
