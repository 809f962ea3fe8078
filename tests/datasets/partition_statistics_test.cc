#include "datasets/partition_statistics.h"

#include <catch2/catch.hpp>

namespace flsim {
namespace {

/// Clients {0, 1}, {2}, {3, 4, 5, 6, 7} of 10 examples with labels 0 0 1 0 1 2 3 3 | 0 1.
Partition Three() { return {{0, 2, 3, 8}, {0, 1, 2, 3, 4, 5, 6, 7}}; }
PartitionInput Ten() {
  PartitionInput input;
  input.examples = 10;
  input.classes = 4;
  input.labels = {0, 0, 1, 0, 1, 2, 3, 3, 0, 1};
  return input;
}

TEST_CASE("Sizes and their imbalance are measured as by hand", "[partition_statistics]") {
  const PartitionStatistics s = MeasurePartition(Three(), Ten());
  CHECK(s.clients == 3);
  CHECK(s.examples == 8);
  CHECK(s.unused == 2);
  CHECK(s.size_min == 1);
  CHECK(s.size_q1 == 1.5);
  CHECK(s.size_median == 2);
  CHECK(s.size_q3 == 3.5);
  CHECK(s.size_max == 5);
  CHECK(s.size_mean == Approx(8.0 / 3));
  CHECK(s.size_std == Approx(std::sqrt(26.0) / 3));  // (1 + 4 + 25) / 3 - (8 / 3)^2 = 26 / 9
  CHECK(s.size_gini == Approx(1.0 / 3));             // (-2 * 1 + 0 * 2 + 2 * 5) / (3 * 8)
}

TEST_CASE("Label skew is measured as by hand", "[partition_statistics]") {
  const PartitionStatistics s = MeasurePartition(Three(), Ten());
  REQUIRE(s.has_labels);
  // Labels held: 3/8, 2/8, 1/8, 2/8. Clients: (1, 0, 0, 0), (0, 1, 0, 0), (.2, .2, .2, .4).
  CHECK(s.label_distance == Approx((5.0 / 8 + 6.0 / 8 + 0.225) / 3));
  const double entropy = -3 * 0.2 * std::log(0.2) - 0.4 * std::log(0.4);
  CHECK(s.effective_classes == Approx((1 + 1 + std::exp(entropy)) / 3));

  PartitionInput unlabelled = Ten();
  unlabelled.labels.clear();
  CHECK_FALSE(MeasurePartition(Three(), unlabelled).has_labels);
}

TEST_CASE("Equal clients have no imbalance", "[partition_statistics]") {
  PartitionInput input;
  input.examples = 6;
  input.classes = 2;
  input.labels = {0, 1, 0, 1, 0, 1};
  const PartitionStatistics s = MeasurePartition({{0, 2, 4, 6}, {0, 1, 2, 3, 4, 5}}, input);
  CHECK(s.unused == 0);
  CHECK(s.size_std == 0);
  CHECK(s.size_gini == 0);
  CHECK(s.label_distance == 0);
  CHECK(s.effective_classes == Approx(2));
}

TEST_CASE("A partition is shown with its statistics and a heat map", "[partition_statistics]") {
  CHECK(ShowPartition(Three(), Ten(), {"cat", "dog", "frog", "ship"}, /*utf8=*/true) ==
        "clients   3\n"
        "examples  8 (2 unused)\n"
        "sizes     min 1, quartiles 1.5 2 3.5, max 5; mean 2.667, standard deviation 1.7\n"
        "          Gini coefficient 0.3333 (0: all equal)\n"
        "labels    distance to the whole 0.5333 (total variation; 0: iid), effective classes 1.93 "
        "of 4\n"
        "\n"
        "share of each class in a client's examples (▁ up to 1/8 ... █ over 7/8)\n"
        "    client  examples   0 1 2 3\n"
        "         0         2   █ · · ·\n"
        "         1         1   · █ · ·\n"
        "         2         5   ▂ ▂ ▂ ▄\n"
        "classes: 0 cat, 1 dog, 2 frog, 3 ship\n");
  const std::string plain = ShowPartition(Three(), Ten(), {}, /*utf8=*/false);
  CHECK(plain.find("         2         5   2 2 2 4\n") != std::string::npos);
  CHECK(plain.find("classes:") == std::string::npos);
  for (const char c : plain) CHECK((c == '\n' || (c >= ' ' && c <= '~')));
}

TEST_CASE("A heat map of many clients and classes stays small", "[partition_statistics]") {
  Partition partition;
  PartitionInput input;
  input.examples = 1000;
  input.classes = 500;
  for (int64_t i = 0; i < 1000; ++i) {
    partition.offsets.push_back(i);
    partition.indices.push_back(i);
    input.labels.push_back(static_cast<int32_t>(i / 2));
  }
  partition.offsets.push_back(1000);
  const std::string text = ShowPartition(partition, input, {}, /*utf8=*/false);
  CHECK(std::count(text.begin(), text.end(), '\n') == 6 + 3 + 20);
  CHECK(text.find("500 classes in 40 columns of neighbours\n") != std::string::npos);
  // First and last client are among those shown.
  CHECK(text.find("\n         0         1   9") != std::string::npos);
  CHECK(text.find("\n       999         1   . ") != std::string::npos);
}

}  // namespace
}  // namespace flsim
