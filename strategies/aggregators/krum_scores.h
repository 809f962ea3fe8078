// Krum's score of an update: how far it lies from its nearest neighbours.
// Blanchard, El Mhamdi, Guerraoui, Stainer (2017), "Machine Learning with Adversaries: Byzantine
// Tolerant Gradient Descent", section 4: s(i) is the sum of ||V_i - V_j||^2 over the n - f - 2
// vectors V_j that are nearest to V_i, itself not among them. ByzFL takes one neighbour more.
//   n  rows    f  num_malicious
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "strategies/cohort_matrix.h"

namespace flsim {

/// Every row's neighbours, nearest first. O(n^2 P + n^2 log n).
class KrumScores {
 public:
  explicit KrumScores(const CohortMatrix& rows)
      : n_(rows.n()), distances_(rows.SquaredDistances()) {
    for (int64_t i = 0; i < n_; ++i) {
      std::vector<int64_t> nearest;
      for (int64_t j = 0; j < n_; ++j) {
        if (j != i) nearest.push_back(j);
      }
      std::stable_sort(nearest.begin(), nearest.end(),
                       [&](int64_t a, int64_t b) { return Distance(i, a) < Distance(i, b); });
      nearest_.push_back(std::move(nearest));
    }
  }

  /// The `count` rows of `among` with the lowest scores, lowest first, ties in the order of
  /// `among`; scores are among those rows. At least one neighbour counts (as in Flower), so that
  /// Bulyan can go on when few are left. O(n^2).
  std::vector<int64_t> Best(const std::vector<int64_t>& among, int64_t num_malicious,
                            int64_t count) const {
    std::vector<bool> present(static_cast<size_t>(n_), false);
    for (const int64_t i : among) present[static_cast<size_t>(i)] = true;
    const int64_t rows = static_cast<int64_t>(among.size());
    const int64_t closest = std::max<int64_t>(1, rows - num_malicious - 2);
    std::vector<double> scores(static_cast<size_t>(n_), 0.0);
    for (const int64_t i : among) {
      int64_t left = closest;
      for (const int64_t j : nearest_[static_cast<size_t>(i)]) {
        if (!present[static_cast<size_t>(j)]) continue;
        scores[static_cast<size_t>(i)] += Distance(i, j);
        if (--left == 0) break;
      }
    }
    std::vector<int64_t> order = among;
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
      return scores[static_cast<size_t>(a)] < scores[static_cast<size_t>(b)];
    });
    order.resize(static_cast<size_t>(count));
    return order;
  }

  std::vector<int64_t> All() const {
    std::vector<int64_t> all;
    for (int64_t i = 0; i < n_; ++i) all.push_back(i);
    return all;
  }

 private:
  double Distance(int64_t i, int64_t j) const {
    return distances_[static_cast<size_t>(i * n_ + j)];
  }

  int64_t n_;
  std::vector<double> distances_;
  std::vector<std::vector<int64_t>> nearest_;
};

}  // namespace flsim
