// Every client gets the same number of examples (or one more), drawn at random.
#include "datasets/partitions/sizes.h"

namespace flsim {
namespace {

class Iid : public Partitioner {
 public:
  using Options = PartitionOptions;
  Iid(const Options& options, const Context&) : options_(options) {}

  int64_t clients() const override { return options_.clients; }
  int32_t bins() const override { return 0; }
  void CheckExamples(int64_t examples) const override {
    RequireEnoughExamples(options_.clients, examples);
  }

  Partition Split(const PartitionInput& input, Rng rng) const override {
    CheckExamples(input.examples);
    std::vector<int64_t> sizes(static_cast<size_t>(options_.clients),
                               input.examples / options_.clients);
    for (int64_t k = 0; k < input.examples % options_.clients; ++k) ++sizes[static_cast<size_t>(k)];
    return DealRandomly(sizes, input.examples, rng);
  }

 private:
  Options options_;
};

FLSIM_REGISTER(Partitioner, Iid, "iid", "Equal sizes, examples at random.");

}  // namespace
}  // namespace flsim
