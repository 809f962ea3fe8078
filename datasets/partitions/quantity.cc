// Quantity skew (Li et al., 2022, "Federated learning on non-IID data silos: an experimental
// study"): sizes in proportion to a draw from Dirichlet(alpha), examples at random.
#include "datasets/partitions/sizes.h"

namespace flsim {
namespace {

class Quantity : public Partitioner {
 public:
  struct Options : PartitionOptions {
    double alpha = 0.5;
    int64_t min_examples = 1;
    template <class V>
    void Visit(V& v) {
      PartitionOptions::Visit(v);
      v(alpha, "alpha", "Concentration: small gives few clients nearly all, large equal sizes.",
        GreaterThan(0));
      v(min_examples, "min_examples", "Least number of examples of a client.", AtLeast(1));
    }
  };
  Quantity(const Options& options, const Context&) : options_(options) {}

  int64_t clients() const override { return options_.clients; }
  int32_t bins() const override { return 0; }
  void CheckExamples(int64_t examples) const override {
    RequireEnoughExamples(options_.clients, options_.min_examples, examples);
  }

  Partition Split(const PartitionInput& input, Rng rng) const override {
    CheckExamples(input.examples);
    const std::vector<double> proportions =
        DirichletProportions(options_.alpha, options_.clients, rng);
    return DealRandomly(SizesInProportion(proportions, input.examples, options_.min_examples),
                        input.examples, rng);
  }

 private:
  Options options_;
};

FLSIM_REGISTER(Partitioner, Quantity, "quantity",
               "Sizes drawn from a Dirichlet, examples at random (Li et al., 2022).");

}  // namespace
}  // namespace flsim
