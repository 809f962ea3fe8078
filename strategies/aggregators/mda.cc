// Minimum diameter averaging: the mean of the n - f updates that lie closest together.
// El Mhamdi, Guerraoui, Guirguis, Hoang, Rouault (2020), "Genuinely Distributed Byzantine Machine
// Learning", section 3.2 (MDA): of all sets of n - f updates the one whose largest pairwise
// distance is least. Of several such sets, the first in the order of the cohort, as in ByzFL.
// Buffers: the same mean.
//   n  rows    f  num_malicious, with n > 2 f
// ByzFL goes through all n over f sets. Here: a set of diameter t or less exists exactly if taking
// away f updates leaves no two that are farther apart than t, a vertex cover of at most f in the
// graph of those pairs. A bounded search tree (Downey and Fellows, 1995; Chen, Kanj, Jia, 2001)
// answers that in at most 1.47^f steps of n^2 / 64 operations, whatever n; t is found by bisection.
// So f is limited to 40. Cost besides: n^2 P / 2 squared differences. Memory: the cohort.
#include <algorithm>

#include "strategies/aggregators/gathered.h"

namespace flsim {
namespace {

/// A set of updates, one bit for each.
using Bits = std::vector<uint64_t>;

bool Has(const Bits& set, int64_t i) { return (set[static_cast<size_t>(i / 64)] >> (i % 64)) & 1; }
void Flip(Bits& set, int64_t i) { set[static_cast<size_t>(i / 64)] ^= uint64_t{1} << (i % 64); }
int64_t CountCommon(const Bits& a, const Bits& b) {
  int64_t count = 0;
  for (size_t k = 0; k < a.size(); ++k) count += __builtin_popcountll(a[k] & b[k]);
  return count;
}
void Remove(Bits& set, const Bits& others) {
  for (size_t k = 0; k < set.size(); ++k) set[k] &= ~others[k];
}

/// The graph of the pairs that are farther apart than a diameter.
class Conflicts {
 public:
  Conflicts(const std::vector<double>& squared_distances, int64_t n, double diameter)
      : n_(n), of_(static_cast<size_t>(n), Bits(static_cast<size_t>(n + 63) / 64)) {
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        if (squared_distances[static_cast<size_t>(i * n + j)] > diameter)
          Flip(of_[static_cast<size_t>(i)], j);
      }
    }
  }

  const Bits& Of(int64_t i) const { return of_[static_cast<size_t>(i)]; }

  /// Whether taking away at most `budget` of `left` leaves no conflict.
  bool Solvable(Bits left, int64_t budget) const {
    while (budget >= 0) {
      int64_t worst = -1, most = 0, single = -1, ends = 0;
      for (int64_t i = 0; i < n_; ++i) {
        if (!Has(left, i)) continue;
        const int64_t degree = CountCommon(Of(i), left);
        ends += degree;
        if (degree > most) {
          most = degree;
          worst = i;
        }
        if (degree == 1) single = i;
      }
      if (most == 0) return true;
      if (ends > 2 * budget * most) return false;
      if (single >= 0) {
        // Taking away its only adversary is as good as anything else.
        Remove(left, Of(single));
        --budget;
      } else if (most == 2 || most > budget) {
        // A cycle, all of whose members are alike; or all its adversaries would be too many.
        Flip(left, worst);
        --budget;
      } else {
        Bits without = left;
        Flip(without, worst);
        if (Solvable(std::move(without), budget - 1)) return true;
        Remove(left, Of(worst));
        budget -= most;
      }
    }
    return false;
  }

 private:
  int64_t n_;
  std::vector<Bits> of_;
};

class MdaRule : public GatheredRule {
 public:
  struct Options {
    int64_t num_malicious = 0;
    template <class V>
    void Visit(V& v) {
      v(num_malicious, "num_malicious",
        "f, how many of the cohort may be malicious, fewer than half; 0 gives the uniform mean; "
        "the exact search takes up to 1.47^f steps.",
        Between(0, 40));
    }
  };
  MdaRule(const Options& options, const Aggregator::Context&)
      : num_malicious_(options.num_malicious) {}

  void Combine(CohortMatrix& rows, const FoldInput&, const at::Tensor& out) const {
    const int64_t n = rows.n();
    const std::vector<double> distances = rows.SquaredDistances();
    Bits left(static_cast<size_t>(n + 63) / 64);
    for (int64_t i = 0; i < n; ++i) Flip(left, i);
    const auto conflicts = [&](double diameter) { return Conflicts(distances, n, diameter); };
    std::vector<double> diameters = distances;
    std::sort(diameters.begin(), diameters.end());
    const double least = *std::partition_point(
        diameters.begin(), diameters.end() - 1,
        [&](double diameter) { return !conflicts(diameter).Solvable(left, num_malicious_); });
    // The first set of that diameter: keep each update in turn, if that can be.
    const Conflicts graph = conflicts(least);
    std::vector<int64_t> kept;
    int64_t budget = num_malicious_;
    for (int64_t i = 0; static_cast<int64_t>(kept.size()) < n - num_malicious_; ++i) {
      if (!Has(left, i)) continue;
      const int64_t cost = CountCommon(graph.Of(i), left);
      Bits without = left;
      Remove(without, graph.Of(i));
      if (graph.Solvable(without, budget - cost)) {
        left = std::move(without);
        budget -= cost;
        kept.push_back(i);
      } else {
        Flip(left, i);
        --budget;
      }
    }
    rows.MeanOf(kept, out);
  }

  std::string WhyNot(int64_t rows) const {
    return NeedsUpdates("mda", num_malicious_, 2 * num_malicious_ + 1, rows);
  }

 private:
  int64_t num_malicious_;
};

using Mda = Gathered<MdaRule>;
FLSIM_REGISTER(Aggregator, Mda, "mda",
               "Mean of the n - f updates of least diameter (El Mhamdi et al., 2020).");

}  // namespace
}  // namespace flsim
