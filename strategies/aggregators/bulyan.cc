// Bulyan: candidates by Krum, then in each coordinate the mean of those closest to their median.
// El Mhamdi, Guerraoui, Rouault (2018), "The Hidden Vulnerability of Distributed Learning in
// Byzantium", section 4: theta = n - 2 f updates are picked one at a time, each by Krum among those
// that are left; of their values in each coordinate the beta = theta - 2 f closest to the median
// are averaged. Near the end fewer updates are left than Krum asks for; at least one neighbour then
// counts, as in Flower.
//   n  rows    f  num_malicious, with n >= 4 f + 3    A  Krum
// Flower's former code (flwr.server.strategy) picks in the same way, `selection` krum; its message
// API (flwr.serverapp.strategy) takes the theta best scores at once: `selection` multikrum.
// Cost: n^2 P / 2 squared differences, O(theta n^2), and a sort of theta values for each column.
// Memory: the cohort.
#include <algorithm>

#include "strategies/aggregators/closest_to_median.h"
#include "strategies/aggregators/gathered.h"
#include "strategies/aggregators/krum_scores.h"

namespace flsim {
namespace {

class BulyanRule : public GatheredRule {
 public:
  struct Options {
    int64_t num_malicious = 0;
    std::string selection = "krum";
    template <class V>
    void Visit(V& v) {
      v(num_malicious, "num_malicious",
        "f, how many of the cohort may be malicious; the cohort needs at least 4 f + 3 clients; "
        "0 gives the uniform mean.",
        Between(0, 1e6));
      v(selection, "selection",
        "How the n - 2 f candidates are picked: krum, one at a time (the paper); multikrum, the "
        "best Krum scores at once.",
        OneOf({"krum", "multikrum"}));
    }
  };
  BulyanRule(const Options& options, const Aggregator::Context&) : options_(options) {}

  void Combine(CohortMatrix& rows, const FoldInput&, const at::Tensor& out) const {
    const int64_t f = options_.num_malicious, theta = rows.n() - 2 * f, beta = theta - 2 * f;
    MeanOfClosestToMedian(rows.Select(Candidates(rows, theta)), beta, out);
  }

  std::string WhyNot(int64_t rows) const {
    return NeedsUpdates("bulyan", options_.num_malicious, 4 * options_.num_malicious + 3, rows);
  }

 private:
  std::vector<int64_t> Candidates(const CohortMatrix& rows, int64_t theta) const {
    const KrumScores scores(rows);
    std::vector<int64_t> left = scores.All();
    if (options_.selection == "multikrum") return scores.Best(left, options_.num_malicious, theta);
    std::vector<int64_t> picked;
    while (static_cast<int64_t>(picked.size()) < theta) {
      picked.push_back(scores.Best(left, options_.num_malicious, 1).front());
      left.erase(std::find(left.begin(), left.end(), picked.back()));
    }
    return picked;
  }

  Options options_;
};

using Bulyan = Gathered<BulyanRule>;
FLSIM_REGISTER(Aggregator, Bulyan, "bulyan",
               "Krum's candidates, then a mean around their median (El Mhamdi et al., 2018).");

}  // namespace
}  // namespace flsim
