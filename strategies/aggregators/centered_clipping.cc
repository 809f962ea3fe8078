// Centered clipping: the mean of the updates, each clipped to a radius about the current estimate.
// Karimireddy, He, Jaggi (2021), "Learning from History for Byzantine Robust Optimization",
// section 4 (CCLIP):  v <- v + 1/n sum_i (x_i - v) min(1, tau / ||x_i - v||), L times.
// v starts from the former round's aggregate, as in the paper (whose clients send momentum), or
// from 0. Distances are of the updates; buffers are averaged with the last clipping factors.
//   x_i  row i    v  out    tau  radius    L  iterations
// Cost: 2 n P for each iteration; memory: the cohort.
#include <algorithm>
#include <cmath>

#include "strategies/aggregators/gathered.h"

namespace flsim {
namespace {

class CenteredClippingRule : public GatheredRule {
 public:
  struct Options {
    double radius = 10;
    int64_t iterations = 1;
    std::string start = "previous";
    template <class V>
    void Visit(V& v) {
      v(radius, "radius", "tau, how far from the estimate an update may pull it.", GreaterThan(0));
      v(iterations, "iterations", "L, how often the estimate is moved.", Between(1, 1e6));
      v(start, "start",
        "The first estimate: the last round's aggregate (0 in the first round), or always 0.",
        OneOf({"previous", "zero"}));
    }
  };
  CenteredClippingRule(const Options& options, const Aggregator::Context&) : options_(options) {}

  bool NeedsPrevious() const { return options_.start == "previous"; }

  void Combine(CohortMatrix& rows, const FoldInput& input, const at::Tensor& out) const {
    const auto n = static_cast<double>(rows.n());
    Fill(out, 0);
    if (input.previous_delta.defined())
      Copy(out.narrow(0, 0, rows.parameters), input.previous_delta);
    std::vector<double> factors(rows.rows.size());
    double kept = 0;
    for (int64_t l = 0; l < options_.iterations; ++l) {
      const std::vector<double> squared = rows.SquaredDistancesTo(out);
      kept = 0;
      for (size_t i = 0; i < factors.size(); ++i) {
        const double distance = std::sqrt(squared[i]);
        factors[i] = (distance > options_.radius ? options_.radius / distance : 1) / n;
        kept += factors[i];
      }
      rows.WeightedSum(factors, out, 0, rows.parameters, 1 - kept);
    }
    for (double& factor : factors) factor /= kept;
    rows.WeightedSum(factors, out, rows.parameters, rows.columns());
  }

 private:
  Options options_;
};

using CenteredClipping = Gathered<CenteredClippingRule>;
FLSIM_REGISTER(Aggregator, CenteredClipping, "centered_clipping",
               "Mean of the updates clipped about an estimate (Karimireddy et al., 2021).");

}  // namespace
}  // namespace flsim
