// Draws in proportion to the clients' numbers of examples.
#pragma once

#include <algorithm>
#include <cmath>
#include <queue>
#include <utility>
#include <vector>

#include "strategies/sampler.h"

namespace flsim {

/// `count` distinct clients in increasing order, by successive sampling: one after the other is
/// drawn, each with a probability proportional to its examples n_k among those that are left.
/// Done with exponential keys in the manner of Efraimidis and Spirakis (2006), "Weighted Random
/// Sampling with a Reservoir", Algorithm A: E_k / n_k is the arrival time of client k, E_k standard
/// exponential, and the first `count` arrivals are the sample (their key u^(1 / n_k) is a
/// decreasing function of ours and does not round to 1 for large n_k). A client without examples
/// comes after all others. O(N) draws per call, memory O(count).
inline std::vector<int64_t> DrawByExamples(const Population& population, int64_t count, Rng& rng) {
  std::priority_queue<std::pair<double, int64_t>> earliest;  // the latest of them on top
  for (int64_t client = 0; client < population.clients; ++client) {
    const double exponential = -std::log1p(-rng.Uniform());
    const auto examples = static_cast<double>(population.examples(client));
    const double arrival = examples > 0 ? exponential / examples : HUGE_VAL;
    if (static_cast<int64_t>(earliest.size()) < count) {
      earliest.emplace(arrival, client);
    } else if (arrival < earliest.top().first) {
      earliest.pop();
      earliest.emplace(arrival, client);
    }
  }
  std::vector<int64_t> clients;
  for (; !earliest.empty(); earliest.pop()) clients.push_back(earliest.top().second);
  std::sort(clients.begin(), clients.end());
  return clients;
}

}  // namespace flsim
