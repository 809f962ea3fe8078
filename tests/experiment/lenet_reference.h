// What the runs of tests/reference/fedavg_cifar10.py and strategies_cifar10.py start from, and how
// ours compare to them.
#pragma once

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "engine/core/safetensors.h"
#include "engine/core/vector_ops.h"
#include "tests/datasets/tiny_cifar.h"
#include "tests/experiment/run_json.h"

namespace flsim {

constexpr int64_t kCifarRecordBytes = 3073;
constexpr int64_t kReferenceRecords = 140;

/// The folder with the real images, or "".
inline std::string RealImages() {
  const char* place = std::getenv("FLSIM_DATA");
  if (place == nullptr) return "";
  for (const std::string& folder :
       {std::string(place), std::string(place) + "/cifar-10-batches-bin"}) {
    if (std::filesystem::exists(folder + "/data_batch_1.bin")) return folder;
  }
  return "";
}

/// The first real images, which has to be asked for only where RealImages() isn't "".
inline std::string RealRecords() {
  return ReadFile(RealImages() + "/data_batch_1.bin")
      .substr(0, kReferenceRecords * kCifarRecordBytes);
}

/// fedavg_cifar10.py's images that need no file.
inline std::string FormulaRecords() {
  std::string bytes;
  for (int64_t i = 0; i < kReferenceRecords; ++i) {
    bytes += static_cast<char>(7 * i % 10);
    for (int64_t j = 0; j < 3072; ++j)
      bytes += static_cast<char>((31 * i + 17 * j + i * j % 251) % 256);
  }
  return bytes;
}

/// fedavg_cifar10.py's four clients and initial model.
class LenetReference {
 public:
  explicit LenetReference(const std::string& records) {
    for (int file = 0; file < 5; ++file) {
      WriteBytes(folder_.path() / TinyCifarName(file),
                 records.substr(static_cast<size_t>(file * 28 * kCifarRecordBytes),
                                static_cast<size_t>(28 * kCifarRecordBytes)));
    }
    WriteBytes(folder_.path() / TinyCifarName(5), TinyCifarBytes(5, 28));
    json = With(
        SmallImages(folder_.path().string()),
        {{"model", {{"name", "lenet"}, {"init", folder_ / "init.safetensors"}}},
         {"training", Json::parse(R"({"epochs": 2, "batch_size": 16, "shuffle": false, "lr": 0.05,
                                                   "momentum": 0.9, "weight_decay": 1e-4})")},
         {"sampler", {{"name", "uniform"}, {"cohort", 4}}}});
    WritePartitionFile(folder_ / "partition.safetensors", {40, 30, 50, 20});
    json = With(json,
                {{"partition", {{"name", "file"}, {"path", folder_ / "partition.safetensors"}}}});
    WriteInitialModel(Experiment(json, "test.json").network(), folder_ / "init.safetensors");
  }

  /// A path for a file that lives as long as this.
  std::string File(const std::string& name) const { return folder_ / name; }

  Json json;  ///< FedAvg; no number of rounds

 private:
  static void WriteInitialModel(const Network& network, const std::string& path) {
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

  void WritePartitionFile(const std::string& path, const std::vector<int64_t>& sizes) const {
    Experiment experiment(With(json, {{"partition", {{"name", "iid"}, {"clients", 4}}}}),
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

  TempFolder folder_;
};

/// That a run's model and train loss after `round` rounds are those of `reference`, whose tensors
/// are named NAME.roundR, NAME.train_loss [.. rounds] and NAME.largest [.. models].
inline void CheckAgainstPyTorch(const SafetensorsFile& reference, const std::string& name,
                                int round, const RunResult& result) {
  constexpr int64_t kStride = 97;
  const auto last = [&](const std::string& what, int64_t index) {
    const at::Tensor* values = reference.Find(name + "." + what);
    REQUIRE(values != nullptr);
    REQUIRE(index < values->numel());
    return static_cast<double>(values->const_data_ptr<float>()[index]);
  };
  const at::Tensor* expected = reference.Find(name + ".round" + std::to_string(round));
  REQUIRE(expected != nullptr);
  REQUIRE((expected->numel() - 1) * kStride < result.state.parameters.numel());
  // fedavg_cifar10.py counts the initial model among the largest, strategies_cifar10.py doesn't.
  const bool initial = reference.Find(name + ".round0") != nullptr;
  double difference = 0;
  for (int64_t i = 0; i < expected->numel(); ++i) {
    const double ours = result.state.parameters.const_data_ptr<float>()[i * kStride];
    difference = std::max(difference, std::abs(ours - expected->const_data_ptr<float>()[i]));
  }
  INFO(name << ".round" << round);
  CHECK(difference <= 1e-4 * last("largest", initial ? round : round - 1));
  if (round == 0) return;
  CHECK(result.summary.final_metrics.at("train_loss").get<double>() ==
        Approx(last("train_loss", round - 1)).epsilon(1e-4));
}

}  // namespace flsim
