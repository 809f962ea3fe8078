// Client k of 1 .. clients gets examples in proportion to k^2, drawn at random.
#include "datasets/partitions/sizes.h"

namespace flsim {
namespace {

class Square : public Partitioner {
 public:
  using Options = PartitionOptions;
  Square(const Options& options, const Context&) : options_(options) {}

  int64_t clients() const override { return options_.clients; }
  int32_t bins() const override { return 0; }
  void CheckExamples(int64_t examples) const override {
    RequireEnoughExamples(options_.clients, examples);
  }

  Partition Split(const PartitionInput& input, Rng rng) const override {
    CheckExamples(input.examples);
    std::vector<double> weights(static_cast<size_t>(options_.clients));
    for (size_t k = 0; k < weights.size(); ++k)
      weights[k] = static_cast<double>(k + 1) * static_cast<double>(k + 1);
    return DealRandomly(SizesInProportion(weights, input.examples, 1), input.examples, rng);
  }

 private:
  Options options_;
};

FLSIM_REGISTER(Partitioner, Square, "square",
               "Sizes grow with the square of the client's number, examples at random.");

}  // namespace
}  // namespace flsim
