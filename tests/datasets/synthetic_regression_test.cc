#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>

#include "datasets/fill_normal.h"
#include "tests/datasets/make.h"

namespace flsim {
namespace {

Json Options(const Json& more = Json::object()) {
  Json options = {{"name", "synthetic_regression"}};
  options.update(more);
  return options;
}

struct Examples {
  std::vector<float> x, y;
};

/// The training examples, then the test examples.
Examples All(const Dataset& dataset) {
  Examples all;
  for (const Split split : {Split::kTrain, Split::kTest}) {
    const int64_t n =
        split == Split::kTrain ? dataset.facts().train_examples : dataset.facts().test_examples;
    std::vector<int64_t> indices(static_cast<size_t>(n));
    std::iota(indices.begin(), indices.end(), 0);
    Batch batch(c10::kCPU);
    dataset.Gather(split, indices.data(), n, nullptr, batch);
    all.x.insert(all.x.end(), batch.input_data(), batch.input_data() + batch.inputs().numel());
    all.y.insert(all.y.end(), batch.target_values(), batch.target_values() + n);
  }
  return all;
}

/// y - coefficients . x - bias of each example.
std::vector<double> Residuals(const Examples& all, const LinearTruth& truth) {
  std::vector<double> residuals;
  const size_t features = truth.coefficients.size();
  for (size_t i = 0; i < all.y.size(); ++i) {
    double y = truth.bias;
    for (size_t j = 0; j < features; ++j)
      y += truth.coefficients[j] * static_cast<double>(all.x[i * features + j]);
    residuals.push_back(static_cast<double>(all.y[i]) - y);
  }
  return residuals;
}

double Mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

TEST_CASE("synthetic_regression without noise is its truth, to float rounding", "[synthetic]") {
  const int features = GENERATE(1, 7, 8, 9, 16, 17, 31);  // rows are copied in blocks of 8
  CAPTURE(features);
  const auto dataset = LoadedDataset(Options({{"bias", 3.5}, {"features", features}}));
  REQUIRE(dataset->truth() != nullptr);
  CHECK(dataset->truth()->bias == 3.5);
  const Examples all = All(*dataset);
  REQUIRE(all.y.size() == 10000);
  double worst = 0;
  for (const double residual : Residuals(all, *dataset->truth()))
    worst = std::max(worst, std::abs(residual));
  CHECK(worst < 1e-4);  // |y| is up to some 1000, half a unit in its last place 3e-5
  CHECK(dataset->TrainTargets() == std::vector<float>(all.y.begin(), all.y.begin() + 8000));
}

TEST_CASE("synthetic_regression's noise has the standard deviation asked for and leaves x alone",
          "[synthetic]") {
  const auto dataset = LoadedDataset(Options({{"noise", 20}, {"examples", 40000}}));
  const Examples all = All(*dataset);
  std::vector<double> residuals = Residuals(all, *dataset->truth());
  CHECK(std::abs(Mean(residuals)) < 4 * 20 / 200.0);
  for (double& residual : residuals) residual *= residual;
  CHECK(std::sqrt(Mean(residuals)) == Approx(20).epsilon(0.02));
  CHECK(All(*LoadedDataset(Options({{"examples", 40000}}))).x == all.x);
}

TEST_CASE("synthetic_regression's features are standard normal and independent", "[synthetic]") {
  const Examples all = All(*LoadedDataset(Options({{"examples", 100000}, {"features", 3}})));
  const auto moment = [&](const auto& of) {
    double sum = 0;
    for (size_t i = 0; i < all.y.size(); ++i) sum += of(&all.x[3 * i]);
    return sum / static_cast<double>(all.y.size());
  };
  using Row = const float*;
  for (const int j : {0, 1, 2}) {
    // Each bound is over four standard errors of that moment over 100,000 draws.
    CHECK(std::abs(moment([=](Row x) { return x[j]; })) < 0.015);
    CHECK(std::abs(moment([=](Row x) { return x[j] * x[j]; }) - 1) < 0.02);
    CHECK(std::abs(moment([=](Row x) { return std::pow(x[j], 3); })) < 0.05);
    CHECK(std::abs(moment([=](Row x) { return std::pow(x[j], 4); }) - 3) < 0.15);
    CHECK(std::abs(moment([=](Row x) { return x[j] * x[(j + 1) % 3]; })) < 0.015);
    CHECK(std::abs(moment([=](Row x) { return std::abs(x[j]) > 2; }) - 0.0455) < 0.003);
  }
}

TEST_CASE("Fast normal draws are Box and Muller's, to single precision", "[synthetic]") {
  std::vector<float> drawn(3 * 512 + 100);
  Rng rng(5, Stream{"test"}), same(5, Stream{"test"});
  FillNormal(rng, drawn.data(), static_cast<int64_t>(drawn.size()));
  for (size_t block = 0; block + 512 <= drawn.size(); block += 512) {
    std::vector<uint32_t> bits(512);
    for (uint32_t& word : bits) word = same.Bits();
    for (size_t j = 0; j < 256; ++j) {
      // Near 1 a float is coarser than 31 bits.
      const double u = (static_cast<float>(bits[j] / 2) + 0.5f) / 0x1p31;
      const double radius = std::sqrt(-2 * std::log(u));
      // The angle's bits: two for the quarter, 30 for the place in it.
      double x = static_cast<double>(static_cast<int32_t>(bits[256 + j] << 2)) / 0x1p31 * M_PI / 4;
      double a = std::cos(x), b = std::sin(x);
      if (bits[256 + j] >> 31 != 0) a = -a;
      if ((bits[256 + j] >> 30 & 1) != 0) std::swap(a, b);
      REQUIRE(std::abs(drawn[block + j] - radius * a) < 3e-6);
      REQUIRE(std::abs(drawn[block + 256 + j] - radius * b) < 3e-6);
    }
  }
  // The rest of a block is cut off, nothing behind it is written.
  std::vector<float> some(11, 42.0f);
  Rng third(5, Stream{"test"});
  FillNormal(third, some.data(), 10);
  CHECK(std::equal(some.begin(), some.begin() + 10, drawn.begin()));
  CHECK(some[10] == 42.0f);
}

TEST_CASE("synthetic_regression has zero coefficients outside the informative features",
          "[synthetic]") {
  const auto coefficients = [](uint64_t seed) {
    return LoadedDataset(Options({{"features", 30}, {"informative", 4}, {"examples", 10}}), seed)
        ->truth()
        ->coefficients;
  };
  const std::vector<double> some = coefficients(1);
  CHECK(some.size() == 30);
  CHECK(std::count(some.begin(), some.end(), 0.0) == 26);
  for (const double value : some) CHECK((value >= 0 && value < 100));
  // Not always in the same places.
  std::vector<bool> places(30, false);
  for (uint64_t seed = 1; seed < 50; ++seed) {
    const std::vector<double> others = coefficients(seed);
    for (size_t j = 0; j < 30; ++j) places[j] = places[j] || others[j] > 0;
  }
  CHECK(std::count(places.begin(), places.end(), true) > 25);
}

TEST_CASE("synthetic_regression tests on the last part of the same examples", "[synthetic]") {
  const Examples whole = All(*LoadedDataset(Options({{"test_fraction", 0}, {"examples", 3000}})));
  const auto split = LoadedDataset(Options({{"test_fraction", 0.29}, {"examples", 3000}}));
  CHECK(split->facts().train_examples == 2130);
  CHECK(split->facts().test_examples == 870);
  CHECK(All(*split).x == whole.x);
  CHECK(All(*split).y == whole.y);
  const auto least = MakeDataset(Options({{"test_fraction", 0.9}, {"examples", 2}}));
  CHECK(least->facts().train_examples == 1);
  CHECK(least->facts().test_examples == 1);
  CHECK(MakeDataset("synthetic_regression")->facts().input_shape == std::vector<int64_t>{10});
}

TEST_CASE("synthetic_regression has the same bits for any number of threads", "[synthetic]") {
  const Json options = Options({{"examples", 5000}, {"noise", 1}});
  const Examples one = All(*LoadedDataset(options, 1, 1));
  const Examples three = All(*LoadedDataset(options, 1, 3));
  CHECK(one.x == three.x);
  CHECK(one.y == three.y);
}

TEST_CASE("synthetic_regression follows the experiment's seed unless it has its own",
          "[synthetic]") {
  const auto first = LoadedDataset("synthetic_regression", 1);
  const auto second = LoadedDataset("synthetic_regression", 2);
  const auto own = LoadedDataset(Options({{"seed", 2}}), 1);
  CHECK(All(*first).x != All(*second).x);
  CHECK(first->truth()->coefficients != second->truth()->coefficients);
  CHECK(All(*own).y == All(*second).y);
  CHECK(first->Hash() != second->Hash());
  CHECK(own->Hash() == second->Hash());
  for (const char* option : {"examples", "features", "informative", "noise", "bias"}) {
    CHECK(LoadedDataset(Options({{option, 5}}))->Hash() != first->Hash());
  }
  CHECK(LoadedDataset(Options({{"test_fraction", 0.25}}))->Hash() != first->Hash());
  CHECK(Bound<Dataset>("synthetic_regression").resolved == Json({{"name", "synthetic_regression"},
                                                                 {"examples", 10000},
                                                                 {"features", 10},
                                                                 {"informative", 10},
                                                                 {"noise", 0.0},
                                                                 {"bias", 0.0},
                                                                 {"test_fraction", 0.2}}));
}

TEST_CASE("synthetic_regression refuses options that make no sense", "[synthetic]") {
  const auto error = [](const Json& options) {
    return ErrorOf<ConfigError>([&] { MakeDataset(Options(options)); });
  };
  CHECK(error({{"informative", 12}}) ==
        "config has 1 problem\n  dataset.informative: must be at most features (10), got 12");
  CHECK(error({{"examples", 0}}) ==
        "config has 1 problem\n  dataset.examples: must be at least 1, got 0");
  CHECK(error({{"test_fraction", 1}}) ==
        "config has 1 problem\n  dataset.test_fraction: must be less than 1, got 1");
  const std::string too_large = ErrorOf<ConfigError>([] {
    LoadedDataset(Options({{"examples", 1000000000000}, {"features", 1000000}}));
  });
  CHECK(too_large.find("dataset.examples: 1000000000000 examples of 1000000 features need ") == 0);
}

}  // namespace
}  // namespace flsim
