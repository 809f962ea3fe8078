// Multi-Krum: the mean of the updates with the lowest Krum scores.
// Blanchard, El Mhamdi, Guerraoui, Stainer (2017), "Machine Learning with Adversaries: Byzantine
// Tolerant Gradient Descent", section 4 and 5 (Multi-Krum); the score is in krum_scores.h. The mean
// is uniform, as in the paper and in ByzFL; Flower weighs it by examples, a number that a malicious
// client is free to choose. Ties go to the earlier update of the cohort. Buffers: the same mean.
//   n  rows    f  num_malicious, with n >= 2 f + 3    m  num_selected
// Cost: as Krum's, and m P.
#include "strategies/aggregators/gathered.h"
#include "strategies/aggregators/krum_scores.h"

namespace flsim {
namespace {

class MultiKrumRule : public GatheredRule {
 public:
  struct Options {
    int64_t num_malicious = 0;
    std::optional<int64_t> num_selected;
    template <class V>
    void Visit(V& v) {
      v(num_malicious, "num_malicious",
        "f, how many of the cohort may be malicious; the cohort needs at least 2 f + 3 clients; "
        "0 without num_selected gives the uniform mean.",
        Between(0, 1e6));
      v(num_selected, "num_selected",
        "m, how many updates are averaged; all but num_malicious if absent.", Between(1, 1e6));
    }
  };
  MultiKrumRule(const Options& options, const Aggregator::Context&) : options_(options) {}

  void Combine(CohortMatrix& rows, const FoldInput&, const at::Tensor& out) const {
    const KrumScores scores(rows);
    const int64_t selected = options_.num_selected.value_or(rows.n() - options_.num_malicious);
    rows.MeanOf(scores.Best(scores.All(), options_.num_malicious, selected), out);
  }

  std::string WhyNot(int64_t rows) const {
    const std::string why =
        NeedsUpdates("multikrum", options_.num_malicious, 2 * options_.num_malicious + 3, rows);
    if (!why.empty() || !options_.num_selected) return why;
    return NeedsUpdates("multikrum with num_selected " + std::to_string(*options_.num_selected),
                        *options_.num_selected, rows);
  }

 private:
  Options options_;
};

using MultiKrum = Gathered<MultiKrumRule>;
FLSIM_REGISTER(Aggregator, MultiKrum, "multikrum",
               "Mean of the updates with the best Krum scores (Blanchard et al., 2017).");

}  // namespace
}  // namespace flsim
