// Krum: the one update that lies closest to its nearest neighbours.
// Blanchard, El Mhamdi, Guerraoui, Stainer (2017), "Machine Learning with Adversaries: Byzantine
// Tolerant Gradient Descent", section 4; the score is in krum_scores.h. Ties go to the earlier
// update of the cohort. Buffers are those of the client that is picked.
//   n  rows    f  num_malicious, with n >= 2 f + 3
// Cost: n^2 P / 2 squared differences; memory: the cohort. 100 updates of 10
// million parameters take 5 s of one core and 4.2 GB.
#include "strategies/aggregators/gathered.h"
#include "strategies/aggregators/krum_scores.h"

namespace flsim {
namespace {

class KrumRule : public GatheredRule {
 public:
  struct Options {
    int64_t num_malicious = 0;
    template <class V>
    void Visit(V& v) {
      v(num_malicious, "num_malicious",
        "f, how many of the cohort may be malicious; the cohort needs at least 2 f + 3 clients.",
        Between(0, 1e6));
    }
  };
  KrumRule(const Options& options, const Aggregator::Context&)
      : num_malicious_(options.num_malicious) {}

  void Combine(CohortMatrix& rows, const FoldInput&, const at::Tensor& out) const {
    const KrumScores scores(rows);
    rows.MeanOf(scores.Best(scores.All(), num_malicious_, 1), out);
  }

  std::string WhyNot(int64_t rows) const {
    return NeedsUpdates("krum", num_malicious_, 2 * num_malicious_ + 3, rows);
  }

 private:
  int64_t num_malicious_;
};

using Krum = Gathered<KrumRule>;
FLSIM_REGISTER(Aggregator, Krum, "krum",
               "The update closest to its nearest neighbours (Blanchard et al., 2017).");

}  // namespace
}  // namespace flsim
