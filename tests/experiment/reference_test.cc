// Whole runs against plain PyTorch programs; see tests/reference/README.md for what those compute.
#include "tests/experiment/lenet_reference.h"
#include "tests/skip.h"

namespace flsim {
namespace {

/// Three rounds on 140 records against what PyTorch found.
void CompareThreeRounds(const std::string& records, const std::string& data) {
  const SafetensorsFile reference = ReadSafetensors("tests/reference/fedavg_lenet.safetensors");
  const LenetReference lenet(records);
  for (const auto& [algorithm, strategy] : {std::pair<std::string, Json>{"fedavg", "fedavg"},
                                            {"fedprox", {{"name", "fedprox"}, {"mu", 0.1}}}}) {
    for (int round = 0; round <= 3; ++round) {
      CheckAgainstPyTorch(reference, data + "." + algorithm, round,
                          RunOnce(With(lenet.json, {{"strategy", strategy}, {"rounds", round}})));
    }
  }
}

TEST_CASE("three rounds of fedavg and fedprox equal plain PyTorch on images made by a formula") {
  CompareThreeRounds(FormulaRecords(), "formula");
}

TEST_CASE("three rounds of fedavg and fedprox equal plain PyTorch on real images") {
  if (RealImages().empty()) return Skip("needs CIFAR-10 in FLSIM_DATA");
  const std::string records = RealRecords();
  const SafetensorsFile reference = ReadSafetensors("tests/reference/fedavg_lenet.safetensors");
  if (Sha256(records) != reference.metadata.at("cifar10_sha256")) {
    return Skip("the reference was computed on other copies of these images");
  }
  CompareThreeRounds(records, "cifar10");
}

TEST_CASE(
    "twenty rounds of configs/cifar10.json reach the accuracy of an independent PyTorch loop") {
  if (RealImages().empty()) return Skip("needs CIFAR-10 in FLSIM_DATA");
  const Json reference = Json::parse(ReadFile("tests/reference/accuracy_cifar10.json"));
  const Json& expected = reference.at("test_accuracy_mean_of_last_5_rounds");
  const Json config =
      With(Json::parse(ReadFile("configs/cifar10.json")), {{"dataset.path", RealImages()}});
  REQUIRE(config.at("rounds") == reference.at("rounds"));
  const std::vector<int> seeds = {1, 2, 3};
  double mean = 0;
  for (const int seed : seeds) {
    const TempFolder folder;
    RunIn(folder / "run", With(config, {{"seed", seed}}));
    const auto rounds = RoundsWithoutTimes(folder / "run");
    for (size_t i = rounds.size() - 5; i < rounds.size(); ++i) {
      mean += rounds[i].at("test_accuracy").get<double>() / 5 / static_cast<double>(seeds.size());
    }
  }
  // Both are means over seeds: theirs over 8, ours over 3, each with the spread that theirs shows.
  const double error = expected.at("stdev").get<double>() * std::sqrt(1.0 / 8 + 1.0 / 3);
  INFO("ours " << mean << ", PyTorch's " << expected.dump());
  CHECK(std::abs(mean - expected.at("mean").get<double>()) < 3 * error);
}

}  // namespace
}  // namespace flsim
