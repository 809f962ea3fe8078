// Mean around median: in each coordinate the mean of the n - f values closest to the median.
// Xie, Koyejo, Gupta (2018), "Generalized Byzantine-tolerant SGD", section 4 (mean around median).
// For an even n the median is the mean of the two values in the middle. Where two values are as
// close, the smaller one counts. Buffers: the same.
//   n, m  rows    f, b  num_malicious, with n > 2 f
// Cost: a sort of n values for each column; memory: the cohort.
#include "strategies/aggregators/closest_to_median.h"
#include "strategies/aggregators/gathered.h"

namespace flsim {
namespace {

class MeamedRule : public GatheredRule {
 public:
  struct Options {
    int64_t num_malicious = 0;
    template <class V>
    void Visit(V& v) {
      v(num_malicious, "num_malicious",
        "f, how many of the cohort may be malicious, fewer than half; 0 gives the uniform mean.",
        Between(0, 1e6));
    }
  };
  MeamedRule(const Options& options, const Aggregator::Context&)
      : num_malicious_(options.num_malicious) {}

  void Combine(CohortMatrix& rows, const FoldInput&, const at::Tensor& out) const {
    MeanOfClosestToMedian(rows, rows.n() - num_malicious_, out);
  }

  std::string WhyNot(int64_t rows) const {
    return NeedsUpdates("meamed", num_malicious_, 2 * num_malicious_ + 1, rows);
  }

 private:
  int64_t num_malicious_;
};

using Meamed = Gathered<MeamedRule>;
FLSIM_REGISTER(Aggregator, Meamed, "meamed",
               "Coordinate by coordinate, the mean around the median (Xie et al., 2018).");

}  // namespace
}  // namespace flsim
