// Label skew: for each class, its examples are cut among the clients in proportions drawn from
// Dirichlet(alpha) (Yurochkin et al., 2019, "Bayesian nonparametric federated learning of neural
// networks"; Li et al., 2022, "Federated learning on non-IID data silos: an experimental study").
// Hsu et al., 2019, "Measuring the effects of non-identical data distribution", draw a mixture of
// classes for each client of equal size instead; here sizes differ too.
//
// The published code draws everything again until the smallest client is large enough, which never
// ends for small alpha or many clients. Here the first draw stands, and clients short of
// `min_examples` get random examples from whoever then has the most.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <queue>

#include "datasets/partitions/sizes.h"

namespace flsim {
namespace {

/// Moves random examples from the largest clients to those that own fewer than `min_examples`.
void TopUp(std::vector<uint32_t>& owners, int64_t clients, int64_t min_examples, Rng& rng) {
  std::vector<int64_t> starts(static_cast<size_t>(clients) + 1, 0);
  for (const uint32_t owner : owners) ++starts[owner + size_t{1}];
  std::partial_sum(starts.begin(), starts.end(), starts.begin());
  std::vector<int64_t> owned(owners.size()), sizes(static_cast<size_t>(clients), 0);
  for (size_t i = 0; i < owners.size(); ++i) {
    owned[static_cast<size_t>(starts[owners[i]] + sizes[owners[i]]++)] = static_cast<int64_t>(i);
  }

  std::priority_queue<std::pair<int64_t, uint32_t>> largest;
  for (size_t k = 0; k < sizes.size(); ++k) {
    if (sizes[k] > min_examples) largest.emplace(sizes[k], static_cast<uint32_t>(k));
  }
  for (size_t taker = 0; taker < sizes.size(); ++taker) {
    for (int64_t size = sizes[taker]; size < min_examples; ++size) {
      const auto [giver_size, giver] = largest.top();
      largest.pop();
      int64_t* examples = owned.data() + starts[giver];
      const uint64_t given = rng.Below(static_cast<uint64_t>(giver_size));
      owners[static_cast<size_t>(examples[given])] = static_cast<uint32_t>(taker);
      examples[given] = examples[giver_size - 1];
      if (giver_size - 1 > min_examples) largest.emplace(giver_size - 1, giver);
    }
  }
}

class Dirichlet : public Partitioner {
 public:
  struct Options : LabelPartitionOptions {
    double alpha = 0.5;
    int64_t min_examples = 1;
    template <class V>
    void Visit(V& v) {
      LabelPartitionOptions::Visit(v);
      v(alpha, "alpha", "Concentration: small gives each client few classes, large gives iid.",
        GreaterThan(0));
      v(min_examples, "min_examples", "Least number of examples of a client.", AtLeast(1));
    }
  };
  Dirichlet(const Options& options, const Context&) : options_(options) {}

  int64_t clients() const override { return options_.clients; }
  int32_t bins() const override { return options_.bins; }
  void CheckExamples(int64_t examples) const override {
    RequireEnoughExamples(options_.clients, options_.min_examples, examples);
  }

  Partition Split(const PartitionInput& input, Rng rng) const override {
    CheckExamples(input.examples);
    ExamplesByClass by_class(input);
    std::vector<uint32_t> owners(static_cast<size_t>(input.examples));
    for (int32_t label = 0; label < input.classes; ++label) {
      const std::vector<double> proportions =
          DirichletProportions(options_.alpha, options_.clients, rng);
      const double sum = std::accumulate(proportions.begin(), proportions.end(), 0.0);
      const int64_t count = by_class.count(label);
      int64_t* examples = by_class.begin(label);
      rng.Shuffle(examples, count);
      // Cut at the rounded running sums, so that each client is within one of its proportion.
      double running = 0;
      int64_t at = 0;
      for (int64_t client = 0; client < options_.clients; ++client) {
        running += proportions[static_cast<size_t>(client)];
        const int64_t cut = client + 1 == options_.clients
                                ? count
                                : std::min<int64_t>(count, std::llround(static_cast<double>(count) *
                                                                        (running / sum)));
        for (; at < cut; ++at)
          owners[static_cast<size_t>(examples[at])] = static_cast<uint32_t>(client);
      }
    }
    TopUp(owners, options_.clients, options_.min_examples, rng);
    return PartitionByOwner(owners, options_.clients);
  }

 private:
  Options options_;
};

FLSIM_REGISTER(
    Partitioner, Dirichlet, "dirichlet",
    "Label skew: each class is cut among clients by a Dirichlet draw (Li et al., 2022).");

}  // namespace
}  // namespace flsim
