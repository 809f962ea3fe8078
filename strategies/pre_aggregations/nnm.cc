// Nearest neighbour mixing: each update becomes the mean of the n - f nearest to it.
// Allouah, Farhadkhani, Guerraoui, Gupta, Pinot, Stephan (2023), "Fixing by Mixing: A Recipe for
// Optimal Byzantine ML under Heterogeneity", Algorithm 2: an update is the first of its own
// neighbours. Ties go to the earlier update of the cohort. Buffers are mixed with the same
// neighbours.
//   n  rows    f  num_malicious, with n > 2 f
// Cost: n^2 P / 2 squared differences and n (n - f) P additions; memory: in place.
#include <algorithm>

#include "strategies/pre_aggregation.h"

namespace flsim {
namespace {

class Nnm : public PreAggregation {
 public:
  struct Options {
    int64_t num_malicious = 0;
    template <class V>
    void Visit(V& v) {
      v(num_malicious, "num_malicious",
        "f, how many of the cohort may be malicious, fewer than half; 0 makes all updates the "
        "mean.",
        Between(0, 1e6));
    }
  };
  Nnm(const Options& options, const Context&) : num_malicious_(options.num_malicious) {}

  void Apply(CohortMatrix& rows, Rng) const override {
    const int64_t n = rows.n();
    const std::vector<double> distances = rows.SquaredDistances();
    std::vector<std::vector<int64_t>> neighbours;
    for (int64_t i = 0; i < n; ++i) {
      std::vector<int64_t> nearest;
      for (int64_t j = 0; j < n; ++j) nearest.push_back(j);
      const double* distance = distances.data() + i * n;
      std::stable_sort(nearest.begin(), nearest.end(),
                       [&](int64_t a, int64_t b) { return distance[a] < distance[b]; });
      nearest.resize(static_cast<size_t>(n - num_malicious_));
      // Summed in the order of the cohort: the same neighbours give the same bits.
      std::sort(nearest.begin(), nearest.end());
      neighbours.push_back(std::move(nearest));
    }
    rows.Mix(neighbours);
  }

  std::string WhyNot(int64_t rows) const override {
    return NeedsUpdates("nnm", num_malicious_, 2 * num_malicious_ + 1, rows);
  }

 private:
  int64_t num_malicious_;
};

FLSIM_REGISTER(PreAggregation, Nnm, "nnm",
               "Mixes each update with its nearest neighbours (Allouah et al., 2023).");

}  // namespace
}  // namespace flsim
