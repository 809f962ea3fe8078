// What every partition promises, and what each of them does.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <set>

#include "datasets/partitions/sizes.h"
#include "tests/datasets/make.h"

namespace flsim {
namespace {

/// Labels 0, 1, .. classes - 1 over and over.
PartitionInput Balanced(int64_t examples, int32_t classes = 10) {
  PartitionInput input;
  input.examples = examples;
  input.classes = classes;
  for (int64_t i = 0; i < examples; ++i) input.labels.push_back(static_cast<int32_t>(i % classes));
  return input;
}

std::vector<int64_t> Sizes(const Partition& partition) {
  std::vector<int64_t> sizes;
  for (int64_t k = 0; k < partition.clients(); ++k) sizes.push_back(partition.size(k));
  return sizes;
}

std::vector<std::vector<int64_t>> LabelCounts(const Partition& partition,
                                              const PartitionInput& input) {
  std::vector<std::vector<int64_t>> counts;
  for (int64_t k = 0; k < partition.clients(); ++k) {
    counts.emplace_back(static_cast<size_t>(input.classes), 0);
    for (int64_t i = 0; i < partition.size(k); ++i)
      ++counts
            .back()[static_cast<size_t>(input.labels[static_cast<size_t>(partition.begin(k)[i])])];
  }
  return counts;
}

/// Every example belongs to exactly one client, each client has one, ascending.
void CheckCovers(const Partition& partition, const PartitionInput& input, int64_t clients) {
  REQUIRE(partition.clients() == clients);
  REQUIRE(partition.offsets.front() == 0);
  REQUIRE(static_cast<int64_t>(partition.indices.size()) == input.examples);
  REQUIRE(partition.offsets.back() == input.examples);
  for (int64_t k = 0; k < clients; ++k) {
    REQUIRE(partition.size(k) > 0);
    REQUIRE(std::is_sorted(partition.begin(k), partition.begin(k) + partition.size(k)));
  }
  std::vector<int64_t> all = partition.indices;
  std::sort(all.begin(), all.end());
  for (size_t i = 0; i < all.size(); ++i) REQUIRE(all[i] == static_cast<int64_t>(i));
}

/// Every partition but `file`, with the options that make it possible for `clients` of one example.
std::vector<Json> EveryPartition(int64_t clients, bool tight = false) {
  std::vector<Json> all;
  for (const std::string& name : Registry<Partitioner>::Get().Names()) {
    if (name == "file") continue;
    Json options = {{"name", name}, {"clients", clients}};
    if (tight && name == "shards") options["shards_per_client"] = 1;
    if (tight && name == "pathological") options["classes_per_client"] = 1;
    all.push_back(options);
  }
  REQUIRE(all.size() >= 8);
  return all;
}

TEST_CASE("Every partition gives each example to one client and each client an example",
          "[partition]") {
  const PartitionInput input = Balanced(1003);
  for (const Json& options : EveryPartition(17)) {
    INFO(options);
    CheckCovers(MakePartition(options, input), input, 17);
    CHECK(Bound<Partitioner>(options).Make({})->clients() == 17);
  }
}

TEST_CASE("Every partition works with as many clients as examples, and with one class",
          "[partition]") {
  const PartitionInput input = Balanced(500), one_class = Balanced(500, 1);
  for (const Json& options : EveryPartition(500, /*tight=*/true)) {
    INFO(options);
    CheckCovers(MakePartition(options, input), input, 500);
    CheckCovers(MakePartition(options, one_class), one_class, 500);
  }
}

TEST_CASE("Every partition refuses more clients than examples, with and without the data",
          "[partition]") {
  const PartitionInput input = Balanced(50);
  const std::string refusal =
      "partition.clients: must be at most 50 (the training examples), got 51";
  for (const Json& options : EveryPartition(51, /*tight=*/true)) {
    INFO(options);
    CHECK(ErrorOf<ConfigError>([&] { MakePartition(options, input); }) == refusal);
    const auto partitioner = Bound<Partitioner>(options).Make({});
    CHECK(ErrorOf<ConfigError>([&] { partitioner->CheckExamples(50); }) == refusal);
    CHECK_NOTHROW(partitioner->CheckExamples(51));
  }
}

TEST_CASE("Every partition is the same for the same seed, and another for another seed",
          "[partition]") {
  const PartitionInput input = Balanced(400);
  for (const Json& options : EveryPartition(20)) {
    INFO(options);
    const Partition partition = MakePartition(options, input, 1);
    CHECK(MakePartition(options, input, 1).indices == partition.indices);
    CHECK(MakePartition(options, input, 1).offsets == partition.offsets);
    CHECK(MakePartition(options, input, 2).indices != partition.indices);
  }
}

TEST_CASE("Partitions by a Dirichlet draw end for any alpha", "[partition]") {
  const PartitionInput input = Balanced(2000);
  for (const char* name : {"dirichlet", "quantity"}) {
    for (const double alpha : {1e-320, 1e-300, 1e-4, 0.1, 1e4, 1e300}) {
      for (const int64_t min_examples : {1, 20}) {
        INFO(name << " alpha " << alpha << " min_examples " << min_examples);
        const Partition partition = MakePartition(
            {{"name", name}, {"clients", 100}, {"alpha", alpha}, {"min_examples", min_examples}},
            input);
        CheckCovers(partition, input, 100);
        const std::vector<int64_t> sizes = Sizes(partition);
        CHECK(*std::min_element(sizes.begin(), sizes.end()) >= min_examples);
      }
    }
    CHECK(ErrorOf<ConfigError>([&] {
            MakePartition({{"name", name}, {"min_examples", 21}}, input);
          }) ==
          "partition.min_examples: must be at most 20 (2000 training examples over 100 clients), "
          "got 21");
  }
}

TEST_CASE("iid sizes differ by at most one", "[partition]") {
  const std::vector<int64_t> sizes =
      Sizes(MakePartition({{"name", "iid"}, {"clients", 7}}, Balanced(100)));
  CHECK(*std::min_element(sizes.begin(), sizes.end()) == 14);
  CHECK(*std::max_element(sizes.begin(), sizes.end()) == 15);
}

TEST_CASE("linear, square and exponential sizes follow their formula", "[partition]") {
  CHECK(Sizes(MakePartition({{"name", "linear"}, {"clients", 10}}, Balanced(55))) ==
        std::vector<int64_t>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
  CHECK(Sizes(MakePartition({{"name", "square"}, {"clients", 5}}, Balanced(110))) ==
        std::vector<int64_t>{2, 8, 18, 32, 50});
  CHECK(Sizes(MakePartition({{"name", "exponential"}, {"clients", 3}, {"ratio", 4}},
                            Balanced(70))) == std::vector<int64_t>{10, 20, 40});
  CHECK(Sizes(MakePartition({{"name", "exponential"}, {"clients", 4}, {"ratio", 1}},
                            Balanced(40))) == std::vector<int64_t>{10, 10, 10, 10});
  CHECK(Sizes(MakePartition({{"name", "exponential"}, {"clients", 2}, {"ratio", 1e308}},
                            Balanced(40))) == std::vector<int64_t>{1, 39});
  CHECK(Sizes(MakePartition({{"name", "exponential"}, {"clients", 1}}, Balanced(40))) ==
        std::vector<int64_t>{40});
}

TEST_CASE("Sizes in proportion add up, keep the minimum and share by largest remainder",
          "[partition]") {
  using Sizes = std::vector<int64_t>;
  CHECK(SizesInProportion({1, 1, 1}, 10, 1) == Sizes{4, 3, 3});
  CHECK(SizesInProportion({0.5, 0.3, 0.2}, 7, 0) == Sizes{4, 2, 1});  // 3.5, 2.1, 1.4
  CHECK(SizesInProportion({0, 1, 0}, 10, 2) == Sizes{2, 6, 2});
  CHECK(SizesInProportion({1, 100, 299}, 100, 10) == Sizes{10, 23, 67});  // 90 as 100 to 299
  CHECK(SizesInProportion({0, 0, 0}, 6, 2) == Sizes{2, 2, 2});
  CHECK(SizesInProportion({1e-300, 1, 1e-300}, 1000000007, 1) == Sizes{1, 1000000005, 1});
}

TEST_CASE("Dirichlet proportions have the variance of a Dirichlet", "[partition]") {
  for (const double alpha : {0.1, 1.0, 5.0}) {
    Rng rng(3, Stream{"test"});
    double sum_of_squares = 0;
    const int draws = 20000;
    for (int draw = 0; draw < draws; ++draw) {
      const std::vector<double> p = DirichletProportions(alpha, 5, rng);
      double sum = 0, squares = 0;
      for (const double value : p) {
        sum += value;
        squares += value * value;
      }
      sum_of_squares += squares / (sum * sum);
    }
    // E[p . p] = (alpha + 1) / (n alpha + 1)
    CHECK(sum_of_squares / draws == Approx((alpha + 1) / (5 * alpha + 1)).epsilon(0.01));
  }
}

TEST_CASE("dirichlet nears iid for large alpha and one client per class for small alpha",
          "[partition]") {
  const PartitionInput input = Balanced(10000);
  for (const auto& counts : LabelCounts(
           MakePartition({{"name", "dirichlet"}, {"clients", 10}, {"alpha", 1e4}}, input), input)) {
    for (const int64_t count : counts) CHECK(std::abs(count - 100) < 10);
  }
  const auto counts = LabelCounts(
      MakePartition({{"name", "dirichlet"}, {"clients", 10}, {"alpha", 1e-4}}, input), input);
  for (size_t label = 0; label < 10; ++label) {
    int64_t most = 0;
    for (const auto& client : counts) most = std::max(most, client[label]);
    CHECK(most > 980);
  }
}

TEST_CASE("shards are of equal size and of one class where they divide evenly", "[partition]") {
  const PartitionInput input = Balanced(6000);
  const Partition partition =
      MakePartition({{"name", "shards"}, {"clients", 100}, {"shards_per_client", 2}}, input);
  for (const auto& counts : LabelCounts(partition, input)) {
    CHECK(std::count(counts.begin(), counts.end(), 0) >= 8);
    for (const int64_t count : counts) CHECK((count == 0 || count == 30 || count == 60));
  }
  CHECK(ErrorOf<ConfigError>([&] {
          MakePartition({{"name", "shards"}, {"shards_per_client", 61}}, input);
        }) ==
        "partition.shards_per_client: must be at most 60 (6000 training examples over 100 clients),"
        " got 61");
}

TEST_CASE("pathological gives every client exactly k classes and splits a class equally",
          "[partition]") {
  const PartitionInput input = Balanced(6000);
  for (const int64_t k : {1, 2, 3, 7, 10}) {
    const Partition partition = MakePartition(
        {{"name", "pathological"}, {"clients", 30}, {"classes_per_client", k}}, input);
    const auto counts = LabelCounts(partition, input);
    for (const auto& client : counts) {
      CHECK(std::count(client.begin(), client.end(), 0) == 10 - k);
      for (const int64_t count : client) {
        if (count != 0) CHECK(std::abs(static_cast<double>(count) - 600.0 / (3.0 * k)) < 1);
      }
    }
  }
  // Not always the same classes together.
  const auto counts = LabelCounts(MakePartition({{"name", "pathological"}}, input), input);
  std::set<std::vector<bool>> combinations;
  for (const auto& client : counts) combinations.insert({client.begin(), client.end()});
  CHECK(combinations.size() > 20);
}

TEST_CASE("pathological copes with a rare class and refuses only what can't be done",
          "[partition]") {
  PartitionInput input;
  input.classes = 4;  // of 3, 200, 0 and 200 examples
  for (int i = 0; i < 403; ++i) input.labels.push_back(i < 3 ? 0 : i % 2 == 0 ? 1 : 3);
  input.examples = 403;
  const auto options = [](int64_t clients, int64_t k) {
    return Json{{"name", "pathological"}, {"clients", clients}, {"classes_per_client", k}};
  };
  const auto counts = LabelCounts(MakePartition(options(100, 2), input), input);
  int64_t holders = 0;
  for (const auto& client : counts) {
    CHECK(std::count(client.begin(), client.end(), 0) == 2);
    holders += client[0];
  }
  CHECK(holders == 3);
  CHECK(LabelCounts(MakePartition(options(3, 3), input), input)[1][0] == 1);

  const auto error = [&](int64_t clients, int64_t k) {
    return ErrorOf<ConfigError>([&] { MakePartition(options(clients, k), input); });
  };
  CHECK(error(3, 4) ==
        "partition.classes_per_client: must be at most 3 (the classes in the training set), got 4");
  CHECK(error(2, 1) ==
        "partition.classes_per_client: 2 clients of 1 class can't hold all 3 classes");
  CHECK(error(4, 3) ==
        "partition.classes_per_client: 4 clients of 3 classes need 12 holders of a class, but the "
        "classes have examples for only 11");
}

TEST_CASE("Partitions by label take the quantile bins of a regression target", "[partition]") {
  const auto dataset = LoadedDataset({{"name", "synthetic_regression"}, {"examples", 2500}});
  const Json options = {
      {"name", "pathological"}, {"clients", 40}, {"classes_per_client", 1}, {"bins", 8}};
  PartitionInput input;
  input.examples = 2000;
  input.classes = Bound<Partitioner>(options).Make({})->bins();
  REQUIRE(input.classes == 8);
  const std::vector<float> targets = dataset->TrainTargets();
  input.labels = QuantileBins(targets, input.classes);
  const Partition partition = MakePartition(options, input);
  CheckCovers(partition, input, 40);
  // A client of one bin of eight sees a narrow range of targets: those of the same bin, no others.
  for (int64_t k = 0; k < 40; ++k) {
    const auto in_bin = [&](int64_t i) { return input.labels[static_cast<size_t>(i)]; };
    CHECK(std::all_of(partition.begin(k), partition.begin(k) + partition.size(k),
                      [&](int64_t i) { return in_bin(i) == in_bin(*partition.begin(k)); }));
  }
  for (const char* name : {"dirichlet", "shards", "pathological"}) {
    CHECK(ErrorOf<ConfigError>([&] {
            Bound<Partitioner>({{"name", name}, {"bins", 1}});
          }) == "config has 1 problem\n  partition.bins: must be at least 2, got 1");
  }
}

TEST_CASE("Quantile bins are in the order of the targets and differ by at most one example",
          "[partition]") {
  CHECK(QuantileBins({0.5f, -3, 7, -0.25f, 1e30f, -1e30f}, 3) ==
        std::vector<int32_t>{1, 0, 2, 1, 2, 0});
  CHECK(QuantileBins({2, 2, 2, 2, 2}, 2) == std::vector<int32_t>{0, 0, 0, 1, 1});
  CHECK(QuantileBins({0.0f, -0.0f, 0.0f, -0.0f}, 2) == std::vector<int32_t>{0, 0, 1, 1});
  CHECK(QuantileBins({5, 4}, 10) == std::vector<int32_t>{5, 0});
  std::vector<float> targets;
  for (int i = 0; i < 1003; ++i) targets.push_back(static_cast<float>((i * 389) % 1003));
  const std::vector<int32_t> bins = QuantileBins(targets, 10);
  for (int32_t bin = 0; bin < 10; ++bin) {
    const auto count = std::count(bins.begin(), bins.end(), bin);
    CHECK((count == 100 || count == 101));
  }
}

}  // namespace
}  // namespace flsim
