// The trimmed mean of the updates, coordinate by coordinate.
// Yin, Chen, Ramchandran, Bartlett (2018), "Byzantine-Robust Distributed Learning: Towards Optimal
// Statistical Rates", definition 2 and Algorithm 1, option II: in each coordinate the largest and
// the smallest beta n values are cut off and the others averaged. beta n is rounded down, in double
// precision, as SciPy and Flower do it; so beta 0.29 of 100 cuts 28. Buffers: the same.
//   n, m  rows    beta  Options::beta
// Cost: a sort of n values for each column; memory: the cohort.
#include "strategies/aggregators/gathered.h"

namespace flsim {
namespace {

class TrimmedMeanRule : public GatheredRule {
 public:
  struct Options {
    double beta = 0.2;
    template <class V>
    void Visit(V& v) {
      v(beta, "beta",
        "Part of the values that is cut off at each end, in each coordinate (rounded down to whole "
        "clients); 0 gives the uniform mean.",
        FromBelow(0, 0.5));
    }
  };
  TrimmedMeanRule(const Options& options, const Aggregator::Context&) : beta_(options.beta) {}

  void Combine(CohortMatrix& rows, const FoldInput&, const at::Tensor& out) const {
    const int64_t n = rows.n();
    const auto cut = static_cast<int64_t>(beta_ * static_cast<double>(n));
    const auto kept = static_cast<double>(n - 2 * cut);
    float* y = out.mutable_data_ptr<float>();
    rows.ForSortedColumns([&](const CohortMatrix::SortedColumns& sorted) {
      std::vector<double> sums(static_cast<size_t>(sorted.width), 0.0);
      for (int64_t i = cut; i < n - cut; ++i) {
        for (int64_t c = 0; c < sorted.width; ++c)
          sums[static_cast<size_t>(c)] += sorted.values[i * sorted.stride + c];
      }
      for (int64_t c = 0; c < sorted.width; ++c)
        y[sorted.column + c] = static_cast<float>(sums[static_cast<size_t>(c)] / kept);
    });
  }

 private:
  double beta_;
};

using TrimmedMean = Gathered<TrimmedMeanRule>;
FLSIM_REGISTER(Aggregator, TrimmedMean, "trimmed_mean",
               "Coordinate by coordinate, the mean without the extremes (Yin et al., 2018).");

}  // namespace
}  // namespace flsim
