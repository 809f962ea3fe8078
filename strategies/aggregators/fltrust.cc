// FLTrust: updates count by how much they agree with the server's own update on a small clean data
// set.
// Cao, Fang, Liu, Gong (2021), "FLTrust: Byzantine-robust Federated Learning via Trust
// Bootstrapping", Algorithm 2 and equations 2-4:
//   TS_i = ReLU(cos(g_i, g_0)),  g = 1 / sum_j TS_j  sum_i TS_i ||g_0|| / ||g_i|| g_i.
// Where no update agrees (all TS_i are 0) the paper's quotient is undefined: the model then stays
// as it is. Buffers are averaged with the TS_i, unscaled; where all are 0, uniformly.
//   g_i  row i    g_0  input.root_delta    |D_0|  root_examples    g  out
// Cost: 3 n P; memory: the cohort.
#include <algorithm>
#include <cmath>

#include "strategies/aggregators/gathered.h"

namespace flsim {
namespace {

class FlTrustRule : public GatheredRule {
 public:
  struct Options {
    int64_t root_examples = 100;
    template <class V>
    void Visit(V& v) {
      v(root_examples, "root_examples",
        "Examples of the server's own data set, on which it trains like a client each round.",
        Between(1, 1e9));
    }
  };
  FlTrustRule(const Options& options, const Aggregator::Context&)
      : root_examples_(options.root_examples) {}

  int64_t RootExamples() const { return root_examples_; }

  void Combine(CohortMatrix& rows, const FoldInput& input, const at::Tensor& out) const {
    FLSIM_CHECK(input.root_delta.defined());
    const double root_norm = std::sqrt(SquaredNorm(input.root_delta));
    const std::vector<double> products = rows.InnerProducts(input.root_delta);
    Fill(out, 0);
    const std::vector<double> squared_norms = rows.SquaredDistancesTo(out);
    const size_t n = rows.rows.size();
    std::vector<double> trust(n, 0.0), scaled(n, 0.0);
    double sum = 0;
    for (size_t i = 0; i < n; ++i) {
      const double norm = std::sqrt(squared_norms[i]);
      if (products[i] <= 0 || norm == 0) continue;
      trust[i] = products[i] / norm / root_norm;
      scaled[i] = trust[i] * root_norm / norm;
      sum += trust[i];
    }
    if (sum == 0) {
      trust.assign(n, 1.0);
      sum = static_cast<double>(n);
    }
    for (size_t i = 0; i < n; ++i) {
      trust[i] /= sum;
      scaled[i] /= sum;
    }
    rows.WeightedSum(scaled, out, 0, rows.parameters);
    rows.WeightedSum(trust, out, rows.parameters, rows.columns());
  }

 private:
  int64_t root_examples_;
};

using FlTrust = Gathered<FlTrustRule>;
FLSIM_REGISTER(Aggregator, FlTrust, "fltrust",
               "Mean weighted by agreement with the server's own update (Cao et al., 2021).");

}  // namespace
}  // namespace flsim
