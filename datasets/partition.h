// A partition: which training examples belong to which client.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "engine/core/registry.h"
#include "engine/core/rng.h"

namespace flsim {

/// Client k holds indices[offsets[k] .. offsets[k + 1]) of the training set, at least one of them.
/// Those that flsim makes are ascending within a client, and no two clients share an example.
struct Partition {
  std::vector<int64_t> offsets;  ///< [clients + 1]
  std::vector<int64_t> indices;  ///< [offsets.back()]

  int64_t clients() const { return static_cast<int64_t>(offsets.size()) - 1; }
  int64_t size(int64_t client) const {
    return offsets[static_cast<size_t>(client) + 1] - offsets[static_cast<size_t>(client)];
  }
  const int64_t* begin(int64_t client) const {
    return indices.data() + offsets[static_cast<size_t>(client)];
  }
};

/// What a partition is made from.
struct PartitionInput {
  int64_t examples = 0;  ///< of the training set
  std::vector<int32_t>
      labels;           ///< [examples] class of each, or quantile bin of a regression target
  int32_t classes = 0;  ///< labels are 0 .. classes - 1
  std::string dataset_name;
  std::string dataset_hash;
};

/// A way to split the training set. `Split` always terminates; it throws ConfigError, naming the
/// option, where no partition with these options exists for this many examples.
class Partitioner {
 public:
  static constexpr const char* kKind = "partition";
  struct Context {};
  virtual ~Partitioner() = default;

  /// The population; -1 if only the data tell (a partition file).
  virtual int64_t clients() const = 0;
  /// How many quantile bins stand in for classes when the target is a number; 0 if Split() looks at
  /// no labels.
  virtual int32_t bins() const = 0;
  /// Throws ConfigError, naming the option, where no partition of so many training examples exists,
  /// whatever they are; Split() would refuse them, too.
  virtual void CheckExamples(int64_t examples) const {}
  virtual Partition Split(const PartitionInput& input, Rng rng) const = 0;
};

/// Options of every partition but `file`.
struct PartitionOptions {
  int64_t clients = 100;
  template <class V>
  void Visit(V& v) {
    v(clients, "clients", "Number of clients in the population.", Between(1, 4294967295.0));
  }
};

/// The number of a regression target's quantile bin (0 .. bins - 1) for each example; bins differ
/// by at most one example in size and ties are broken by position.
std::vector<int32_t> QuantileBins(const std::vector<float>& targets, int32_t bins);

/// Splits each client's examples at random into what it trains on, at least one, and floor(fraction
/// of them) that it is evaluated on: (training, held out), both in ascending order within a client.
/// 0 < fraction < 1; a client may have none held out.
std::pair<Partition, Partition> HoldOut(const Partition& partition, double fraction, uint64_t seed);

/// Writes the contract's partition file: safetensors with int64 `offsets` and `indices`, metadata
/// `dataset`, `hash`.
void SavePartition(const std::string& path, const Partition& partition,
                   const PartitionInput& input);
/// Reads one. Throws DataError if it is damaged or was made for other data.
Partition LoadPartition(const std::string& path, const PartitionInput& input);

}  // namespace flsim
