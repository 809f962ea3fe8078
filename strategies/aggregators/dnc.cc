// Divide and conquer: takes away the updates that reach farthest along the direction in which they
// vary most.
// Shejwalkar and Houmansadr (2021), "Manipulating the Byzantine: Optimizing Model Poisoning Attacks
// and Defenses for Federated Learning", Algorithm 2 (DnC): niters times, of b random coordinates,
// the centred updates' top right singular vector v gives the scores <x_i - mu, v>^2, and the c m
// highest are filtered out (rounded up); the result is the mean of those never filtered out. Should
// none be left, of those filtered out least often. Buffers: the same mean.
//   n  rows        m  num_malicious    b  sub_dimension    niters  iterations
//   c  filter_factor
// v is never formed: with u the top eigenvector of the n x n matrix of inner products of the
// centred rows, <x_i - mu, v> is proportional to u_i. Cost: n^2 b + 10 n^3 for each iteration, n P;
// memory: the cohort and n b doubles.
#include <algorithm>
#include <cmath>
#include <eigen3/Eigen/Eigenvalues>
#include <unordered_set>

#include "strategies/aggregators/gathered.h"

namespace flsim {
namespace {

/// `count` different numbers below `n`, in increasing order (Bentley and Floyd, 1987).
std::vector<int64_t> RandomSubset(int64_t count, int64_t n, Rng& rng) {
  std::unordered_set<int64_t> members;
  for (int64_t j = n - count; j < n; ++j) {
    const auto drawn = static_cast<int64_t>(rng.Below(static_cast<uint64_t>(j) + 1));
    if (!members.insert(drawn).second) members.insert(j);
  }
  std::vector<int64_t> sorted(members.begin(), members.end());
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

class DncRule : public GatheredRule {
 public:
  struct Options {
    int64_t num_malicious = 0, iterations = 1, sub_dimension = 10000;
    double filter_factor = 1;
    template <class V>
    void Visit(V& v) {
      v(num_malicious, "num_malicious",
        "m, how many of the cohort may be malicious, fewer than half; 0 gives the uniform mean.",
        Between(0, 1e6));
      v(iterations, "iterations", "niters, how often coordinates are drawn and updates filtered.",
        Between(1, 1e6));
      v(sub_dimension, "sub_dimension",
        "b, how many coordinates are drawn each time; all if there are no more.", Between(1, 1e9));
      v(filter_factor, "filter_factor",
        "c, times num_malicious: how many updates are filtered out each time.", GreaterThan(0));
    }
  };
  DncRule(const Options& options, const Aggregator::Context&) : options_(options) {}

  void Combine(CohortMatrix& rows, const FoldInput& input, const at::Tensor& out) const {
    Rng rng(input.seed, {"dnc", static_cast<uint64_t>(input.round)});
    std::vector<int64_t> filtered(rows.rows.size(), 0), order(rows.rows.size());
    for (int64_t iteration = 0; iteration < options_.iterations; ++iteration) {
      const Eigen::VectorXd u = TopDirection(rows, rng);
      for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int64_t>(i);
      std::stable_sort(order.begin(), order.end(),
                       [&](int64_t a, int64_t b) { return u[a] * u[a] < u[b] * u[b]; });
      for (int64_t k = rows.n() - Filtered(); k < rows.n(); ++k)
        ++filtered[static_cast<size_t>(order[static_cast<size_t>(k)])];
    }
    const int64_t least = *std::min_element(filtered.begin(), filtered.end());
    std::vector<int64_t> good;
    for (int64_t i = 0; i < rows.n(); ++i) {
      if (filtered[static_cast<size_t>(i)] == least) good.push_back(i);
    }
    rows.MeanOf(good, out);
  }

  std::string WhyNot(int64_t rows) const {
    std::ostringstream rule;
    rule << "dnc with num_malicious " << options_.num_malicious << " and filter_factor "
         << options_.filter_factor;
    return NeedsUpdates(rule.str(), std::max(2 * options_.num_malicious, Filtered()) + 1, rows);
  }

 private:
  int64_t Filtered() const {
    return static_cast<int64_t>(
        std::ceil(-1e-9 + options_.filter_factor * static_cast<double>(options_.num_malicious)));
  }

  Eigen::VectorXd TopDirection(const CohortMatrix& rows, Rng& rng) const {
    const int64_t b = std::min(options_.sub_dimension, rows.parameters);
    const std::vector<int64_t> columns = RandomSubset(b, rows.parameters, rng);
    Eigen::MatrixXd centred(rows.n(), b);
    for (int64_t i = 0; i < rows.n(); ++i) {
      const float* x = rows.rows[static_cast<size_t>(i)].const_data_ptr<float>();
      for (int64_t k = 0; k < b; ++k) centred(i, k) = x[columns[static_cast<size_t>(k)]];
    }
    centred.rowwise() -= centred.colwise().mean().eval();
    const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(centred * centred.transpose());
    return solver.eigenvectors().col(rows.n() - 1);
  }

  Options options_;
};

using Dnc = Gathered<DncRule>;
FLSIM_REGISTER(Aggregator, Dnc, "dnc",
               "Mean without the outliers of the top singular direction (Shejwalkar and "
               "Houmansadr, 2021).");

}  // namespace
}  // namespace flsim
