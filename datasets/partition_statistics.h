// What a partition looks like: sizes, imbalance, and how the labels lie.
#pragma once

#include <string>
#include <vector>

#include "datasets/partition.h"

namespace flsim {

struct PartitionStatistics {
  int64_t clients = 0;
  int64_t examples = 0;  ///< held by clients, one counted for each client that holds it
  int64_t unused = 0;    ///< training examples that no client holds
  int64_t size_min = 0, size_max = 0;
  double size_q1 = 0, size_median = 0, size_q3 = 0;  ///< linear between neighbours
  double size_mean = 0, size_std = 0;                ///< of the population
  double size_gini = 0;                              ///< 0: all equal; near 1: one has all

  // Means over clients, each counted once; 0 without labels.
  bool has_labels = false;
  double label_distance = 0;     ///< total variation between a client's labels and all labels
  double effective_classes = 0;  ///< exp(entropy of a client's labels): 1 .. classes
};

/// `input.labels` may be empty; then nothing is said about labels.
PartitionStatistics MeasurePartition(const Partition& partition, const PartitionInput& input);

/// The statistics as text and, with labels, a heat map: up to 20 clients, evenly chosen, and the
/// share of each class in what they hold. `class_names` may be empty. With `utf8` shades are block
/// characters, else digits (tenths).
std::string ShowPartition(const Partition& partition, const PartitionInput& input,
                          const std::vector<std::string>& class_names, bool utf8);

/// A line for each client: "client,examples" and, with labels, its number of examples of each
/// class, under the class's name or number.
std::string PartitionCsv(const Partition& partition, const PartitionInput& input,
                         const std::vector<std::string>& class_names);

}  // namespace flsim
