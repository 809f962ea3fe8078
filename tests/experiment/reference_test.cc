// Whole runs against plain PyTorch programs; see tests/reference/README.md for what those compute.
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "engine/core/safetensors.h"
#include "engine/core/vector_ops.h"
#include "tests/datasets/tiny_cifar.h"
#include "tests/experiment/run_json.h"
#include "tests/skip.h"

namespace flsim {
namespace {

constexpr int64_t kRecordBytes = 3073;
constexpr int64_t kStride = 97;

/// The folder with the real images, or "".
std::string RealImages() {
  const char* place = std::getenv("FLSIM_DATA");
  if (place == nullptr) return "";
  for (const std::string& folder :
       {std::string(place), std::string(place) + "/cifar-10-batches-bin"}) {
    if (std::filesystem::exists(folder + "/data_batch_1.bin")) return folder;
  }
  return "";
}

/// fedavg_cifar10.py's images that need no file.
std::string FormulaRecords() {
  std::string bytes;
  for (int64_t i = 0; i < 140; ++i) {
    bytes += static_cast<char>(7 * i % 10);
    for (int64_t j = 0; j < 3072; ++j)
      bytes += static_cast<char>((31 * i + 17 * j + i * j % 251) % 256);
  }
  return bytes;
}

/// fedavg_cifar10.py's initial model.
void WriteInitialModel(const Network& network, const std::string& path) {
  const std::vector<int64_t> fan_in = {75, 75, 150, 150, 400, 400, 120, 120, 84, 84};
  at::Tensor parameters = Zeros(network.parameters.size(), c10::Device(c10::kCPU));
  auto* out = parameters.mutable_data_ptr<float>();
  for (size_t s = 0; s < fan_in.size(); ++s) {
    for (int64_t i = 0; i < network.parameters[static_cast<int>(s)].size; ++i) {
      auto u = static_cast<uint32_t>(i + 1) * 2654435761u + static_cast<uint32_t>(s) * 40503u;
      u ^= u >> 15;
      u *= 2246822519u;
      u ^= u >> 13;
      *out++ =
          static_cast<float>((2 * (u / 0x1p32) - 1) / std::sqrt(static_cast<double>(fan_in[s])));
    }
  }
  SaveParameters(network, path, parameters, Zeros(0, c10::Device(c10::kCPU)));
}

void WritePartitionFile(const std::string& path, const std::vector<int64_t>& sizes,
                        const Json& config) {
  Experiment experiment(With(config, {{"partition", {{"name", "iid"}, {"clients", 4}}}}),
                        "test.json");
  experiment.Load();
  Partition partition{{0}, {}};
  for (const int64_t size : sizes) {
    for (int64_t i = 0; i < size; ++i)
      partition.indices.push_back(static_cast<int64_t>(partition.indices.size()));
    partition.offsets.push_back(static_cast<int64_t>(partition.indices.size()));
  }
  SavePartition(path, partition, experiment.partition_input());
}

/// Three rounds on 140 records against what PyTorch found.
void CompareThreeRounds(const std::string& records, const std::string& data) {
  const SafetensorsFile reference = ReadSafetensors("tests/reference/fedavg_lenet.safetensors");
  const TempFolder folder;
  for (int file = 0; file < 5; ++file) {
    WriteBytes(folder.path() / TinyCifarName(file),
               records.substr(static_cast<size_t>(file * 28 * kRecordBytes),
                              static_cast<size_t>(28 * kRecordBytes)));
  }
  WriteBytes(folder.path() / TinyCifarName(5), TinyCifarBytes(5, 28));
  Json json = With(
      SmallImages(folder.path().string()),
      {{"model", {{"name", "lenet"}, {"init", folder / "init.safetensors"}}},
       {"training", Json::parse(R"({"epochs": 2, "batch_size": 16, "shuffle": false, "lr": 0.05,
                                                 "momentum": 0.9, "weight_decay": 1e-4})")},
       {"sampler", {{"name", "uniform"}, {"cohort", 4}}}});
  WritePartitionFile(folder / "partition.safetensors", {40, 30, 50, 20}, json);
  json =
      With(json, {{"partition", {{"name", "file"}, {"path", folder / "partition.safetensors"}}}});
  WriteInitialModel(Experiment(json, "test.json").network(), folder / "init.safetensors");

  for (const auto& [algorithm, strategy] : {std::pair<std::string, Json>{"fedavg", "fedavg"},
                                            {"fedprox", {{"name", "fedprox"}, {"mu", 0.1}}}}) {
    for (int round = 0; round <= 3; ++round) {
      const std::string prefix = data + "." + algorithm + ".";
      const RunResult result = RunOnce(With(json, {{"strategy", strategy}, {"rounds", round}}));
      const at::Tensor* expected = reference.Find(prefix + "round" + std::to_string(round));
      REQUIRE(expected != nullptr);
      const double largest = reference.Find(prefix + "largest")->const_data_ptr<float>()[round];
      double difference = 0;
      for (int64_t i = 0; i < expected->numel(); ++i) {
        const double ours = result.state.parameters.const_data_ptr<float>()[i * kStride];
        difference = std::max(difference, std::abs(ours - expected->const_data_ptr<float>()[i]));
      }
      INFO(prefix << "round" << round);
      CHECK(difference <= 1e-4 * largest);
      if (round == 0) continue;
      const double loss = reference.Find(prefix + "train_loss")->const_data_ptr<float>()[round - 1];
      CHECK(result.summary.final_metrics.at("train_loss").get<double>() ==
            Approx(loss).epsilon(1e-4));
    }
  }
}

TEST_CASE("three rounds of fedavg and fedprox equal plain PyTorch on images made by a formula") {
  CompareThreeRounds(FormulaRecords(), "formula");
}

TEST_CASE("three rounds of fedavg and fedprox equal plain PyTorch on real images") {
  if (RealImages().empty()) return Skip("needs CIFAR-10 in FLSIM_DATA");
  const std::string records =
      ReadFile(RealImages() + "/data_batch_1.bin").substr(0, 140 * kRecordBytes);
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
