// Client k of 1 .. clients gets examples in proportion to k, drawn at random.
#include <numeric>

#include "datasets/partitions/sizes.h"

namespace flsim {
namespace {

class Linear : public Partitioner {
 public:
  using Options = PartitionOptions;
  Linear(const Options& options, const Context&) : options_(options) {}

  int64_t clients() const override { return options_.clients; }
  int32_t bins() const override { return 0; }
  void CheckExamples(int64_t examples) const override {
    RequireEnoughExamples(options_.clients, examples);
  }

  Partition Split(const PartitionInput& input, Rng rng) const override {
    CheckExamples(input.examples);
    std::vector<double> weights(static_cast<size_t>(options_.clients));
    std::iota(weights.begin(), weights.end(), 1.0);
    return DealRandomly(SizesInProportion(weights, input.examples, 1), input.examples, rng);
  }

 private:
  Options options_;
};

FLSIM_REGISTER(Partitioner, Linear, "linear",
               "Sizes grow linearly with the client's number, examples at random.");

}  // namespace
}  // namespace flsim
