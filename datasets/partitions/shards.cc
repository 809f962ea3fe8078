// McMahan et al., 2017, "Communication-efficient learning of deep networks from decentralized
// data": the examples sorted by label are cut into equal shards, and every client gets
// `shards_per_client` of them at random.
#include <numeric>

#include "datasets/partitions/sizes.h"
#include "engine/core/error.h"

namespace flsim {
namespace {

class Shards : public Partitioner {
 public:
  struct Options : LabelPartitionOptions {
    int64_t shards_per_client = 2;
    template <class V>
    void Visit(V& v) {
      LabelPartitionOptions::Visit(v);
      v(shards_per_client, "shards_per_client",
        "Number of shards of a client; each is of one class or few.", AtLeast(1));
    }
  };
  Shards(const Options& options, const Context&) : options_(options) {}

  int64_t clients() const override { return options_.clients; }
  int32_t bins() const override { return options_.bins; }
  void CheckExamples(int64_t examples) const override {
    RequireEnoughExamples(options_.clients, examples);
    const int64_t most = examples / options_.clients;
    if (options_.shards_per_client > most) {
      throw ConfigError("partition.shards_per_client: must be at most " + std::to_string(most) +
                        " (" + std::to_string(examples) + " training examples over " +
                        std::to_string(options_.clients) + " clients), got " +
                        std::to_string(options_.shards_per_client));
    }
  }

  Partition Split(const PartitionInput& input, Rng rng) const override {
    CheckExamples(input.examples);
    const ExamplesByClass by_class(input);
    const int64_t shards = options_.clients * options_.shards_per_client;
    std::vector<uint32_t> shard_owners(static_cast<size_t>(shards));
    for (int64_t shard = 0; shard < shards; ++shard) {
      shard_owners[static_cast<size_t>(shard)] =
          static_cast<uint32_t>(shard / options_.shards_per_client);
    }
    rng.Shuffle(shard_owners.data(), shards);
    // What does not divide evenly makes the first shards longer by one.
    const int64_t size = input.examples / shards, longer = input.examples % shards;
    std::vector<uint32_t> owners(static_cast<size_t>(input.examples));
    size_t at = 0;
    for (int64_t shard = 0; shard < shards; ++shard) {
      for (int64_t i = 0; i < size + (shard < longer ? 1 : 0); ++i) {
        owners[static_cast<size_t>(by_class.order[at++])] =
            shard_owners[static_cast<size_t>(shard)];
      }
    }
    return PartitionByOwner(owners, options_.clients);
  }

 private:
  Options options_;
};

FLSIM_REGISTER(Partitioner, Shards, "shards",
               "Sorted by label, cut into shards, a few to each client (McMahan et al., 2017).");

}  // namespace
}  // namespace flsim
