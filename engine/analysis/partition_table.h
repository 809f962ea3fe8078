// How many examples of each label the clients have, as partition.csv tells it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "datasets/partition.h"
#include "datasets/partition_statistics.h"
#include "engine/core/json.h"

namespace flsim {

struct PartitionTable {
  std::vector<std::string> labels;  ///< their names; empty where only sizes are known
  std::vector<int64_t> examples;    ///< of each client, at least 1
  std::vector<int64_t> counts;      ///< [clients, labels]; a client's add up to its examples
};

/// Counts the labels of what clients hold. Labels without a name are called by their number.
PartitionTable CountLabels(const Partition& partition, const PartitionInput& input,
                           const std::vector<std::string>& class_names);

/// Reads `client,examples,<label>,...`, one line a client in increasing order from 0. Throws
/// DataError.
PartitionTable ReadPartitionTable(const std::string& path);

/// The same measures as of the partition itself, but for the examples that no client holds.
PartitionStatistics MeasureTable(const PartitionTable& table);

/// What the page shows of it: `measures` and at most 1,000 x 200 counts, those of neighbouring
/// clients or labels added up where there are more.
Json PartitionJson(const PartitionTable& table, const PartitionStatistics& measures);

}  // namespace flsim
