// Sizes form a geometric sequence from the first client to the last, which has `ratio` times as
// many examples; drawn at random.
#include <cmath>

#include "datasets/partitions/sizes.h"

namespace flsim {
namespace {

class Exponential : public Partitioner {
 public:
  struct Options : PartitionOptions {
    double ratio = 100;
    template <class V>
    void Visit(V& v) {
      PartitionOptions::Visit(v);
      v(ratio, "ratio", "The last (largest) client's size over the first (smallest) one's.",
        AtLeast(1));
    }
  };
  Exponential(const Options& options, const Context&) : options_(options) {}

  int64_t clients() const override { return options_.clients; }
  int32_t bins() const override { return 0; }
  void CheckExamples(int64_t examples) const override {
    RequireEnoughExamples(options_.clients, examples);
  }

  Partition Split(const PartitionInput& input, Rng rng) const override {
    CheckExamples(input.examples);
    std::vector<double> weights(static_cast<size_t>(options_.clients));
    const double steps = std::max<double>(1, static_cast<double>(weights.size()) - 1);
    for (size_t k = 0; k < weights.size(); ++k) {
      // At most 1, so that no ratio overflows the sum.
      weights[k] = std::pow(options_.ratio, static_cast<double>(k) / steps - 1);
    }
    return DealRandomly(SizesInProportion(weights, input.examples, 1), input.examples, rng);
  }

 private:
  Options options_;
};

FLSIM_REGISTER(Partitioner, Exponential, "exponential",
               "Sizes grow exponentially with the client's number, examples at random.");

}  // namespace
}  // namespace flsim
