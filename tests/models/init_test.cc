#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>

#include <catch2/catch.hpp>

#include "engine/core/safetensors.h"
#include "tests/models/make.h"
#include "tests/temp_folder.h"

namespace flsim {
namespace {

/// A file in a fresh folder, removed at the end.
struct TempFile {
  TempFolder folder;
  std::string path() const { return folder / "model.safetensors"; }
};

struct Initial {
  at::Tensor parameters, buffers;
};
Initial Initialize(const Network& network, uint64_t seed) {
  Initial initial;
  InitializeParameters(network, seed, initial.parameters, initial.buffers);
  return initial;
}

TEST_CASE("weights and biases are uniform in +-1/sqrt(fan_in)") {
  const Network network = Build(R"("cnn")", Images(32));
  const Initial initial = Initialize(network, 1);
  const std::vector<double> fan_in = {27, 27, 288, 288, 12544, 12544, 128, 128};
  for (int i = 0; i < 8; ++i) {
    INFO(network.parameters[i].name);
    const at::Tensor slot = network.parameters.View(initial.parameters, i).contiguous().view({-1});
    const double bound = 1 / std::sqrt(fan_in[static_cast<size_t>(i)]);
    const auto n = static_cast<double>(slot.numel());
    double sum = 0, squares = 0, largest = 0;
    for (const float value : Read(slot)) {
      sum += value;
      squares += static_cast<double>(value) * value;
      largest = std::max(largest, std::abs(static_cast<double>(value)));
    }
    CHECK(largest <= bound);
    CHECK(largest > bound * (1 - 10 / n));  // ten values beyond: once in e^10 seeds
    // Five standard deviations of the mean and of the mean square of n uniform values.
    CHECK(std::abs(sum / n) < 5 * bound / std::sqrt(3 * n));
    CHECK(std::abs(squares / n - bound * bound / 3) < 5 * bound * bound * std::sqrt(4.0 / 45 / n));
  }
}

TEST_CASE("norms start as the identity and running statistics at 0 and 1") {
  const Network network = Build(R"({"name": "resnet18", "norm": "batch"})", Images(8));
  const Initial initial = Initialize(network, 1);
  const auto all = [](const ParameterLayout& layout, const at::Tensor& flat,
                      const std::string& name, float value) {
    for (int i = 0; i < static_cast<int>(layout.slots().size()); ++i) {
      if (layout[i].name != name) continue;
      return Read(layout.View(flat, i)) ==
             std::vector<float>(static_cast<size_t>(layout[i].size), value);
    }
    return false;
  };
  CHECK(all(network.parameters, initial.parameters, "layer4.1.bn2.weight", 1));
  CHECK(all(network.parameters, initial.parameters, "layer4.1.bn2.bias", 0));
  CHECK(all(network.buffers, initial.buffers, "layer2.0.downsample.1.running_mean", 0));
  CHECK(all(network.buffers, initial.buffers, "layer2.0.downsample.1.running_var", 1));
}

TEST_CASE("initial parameters depend on the seed and on the tensor's place only") {
  const Network network = Build(R"({"name": "mlp", "hidden": [5, 6]})", Features(4, 3));
  const auto one = Read(Initialize(network, 1).parameters);
  CHECK(one == Read(Initialize(network, 1).parameters));
  CHECK(one != Read(Initialize(network, 2).parameters));
  // A wider last layer leaves the draws of the others as they were.
  const Network wider = Build(R"({"name": "mlp", "hidden": [5, 6]})", Features(4, 9));
  const auto other = Read(Initialize(wider, 1).parameters);
  const int64_t shared = network.parameters[4].offset;
  CHECK(std::vector<float>(one.begin(), one.begin() + shared) ==
        std::vector<float>(other.begin(), other.begin() + shared));
}

TEST_CASE("what is saved is loaded with the same bits under PyTorch's names") {
  const Network network = Build(R"({"name": "resnet18", "norm": "batch"})", Images(8));
  const Initial saved = Initialize(network, 3);
  Fill(saved.buffers.narrow(0, 10, 5), 0.75f);
  const TempFile file;
  SaveParameters(network, file.path(), saved.parameters, saved.buffers);
  Initial loaded;
  LoadParameters(network, file.path(), loaded.parameters, loaded.buffers);
  CHECK(Read(loaded.parameters) == Read(saved.parameters));
  CHECK(Read(loaded.buffers) == Read(saved.buffers));

  const SafetensorsFile content = ReadSafetensors(file.path());
  CHECK(content.tensors.size() == 62 + 40);
  const at::Tensor* conv = content.Find("layer2.0.downsample.0.weight");
  REQUIRE(conv != nullptr);
  CHECK(conv->sizes() == at::IntArrayRef({128, 64, 1, 1}));
}

TEST_CASE("PyTorch's num_batches_tracked is ignored") {
  const Network network = BuildLayers(R"(["batch_norm", "linear"])", Features(3, 2));
  const Initial initial = Initialize(network, 1);
  const TempFile file;
  SaveParameters(network, file.path(), initial.parameters, initial.buffers);
  SafetensorsFile content = ReadSafetensors(file.path());
  content.tensors.emplace_back("0.num_batches_tracked", at::full({1}, 7, at::kLong));
  WriteSafetensors(file.path(), content);
  Initial loaded;
  LoadParameters(network, file.path(), loaded.parameters, loaded.buffers);
  CHECK(Read(loaded.parameters) == Read(initial.parameters));
}

TEST_CASE("a file for another model is refused with every tensor that does not fit") {
  const Network small = Build(R"({"name": "mlp", "hidden": [5]})", Features(4, 3));
  const Network deep = Build(R"({"name": "mlp", "hidden": [5, 6]})", Features(4, 3));
  const Initial initial = Initialize(deep, 1);
  const TempFile file;
  SaveParameters(deep, file.path(), initial.parameters, initial.buffers);
  Initial loaded;
  std::string error;
  try {
    LoadParameters(small, file.path(), loaded.parameters, loaded.buffers);
  } catch (const DataError& caught) {
    error = caught.what();
  }
  CHECK(error == file.path() +
                     " does not fit the model\n"
                     "  fc2.weight: expected [3, 5], got [6, 5]\n"
                     "  fc2.bias: expected [3], got [6]\n"
                     "  fc3.weight: the model has no such tensor\n"
                     "  fc3.bias: the model has no such tensor");
  SafetensorsFile content;
  content.tensors.emplace_back("fc1.weight", at::full({5, 4}, 1, at::kLong));
  WriteSafetensors(file.path(), content);
  error.clear();
  try {
    LoadParameters(small, file.path(), loaded.parameters, loaded.buffers);
  } catch (const DataError& caught) {
    error = caught.what();
  }
  CHECK(error == file.path() +
                     " does not fit the model\n"
                     "  fc1.weight: expected float32 numbers, got another type\n"
                     "  fc1.bias: missing; expected [5]\n"
                     "  fc2.weight: missing; expected [3, 5]\n"
                     "  fc2.bias: missing; expected [3]");
}

TEST_CASE("a file with NaN or infinity is refused with the tensors that hold them") {
  const Network network = BuildLayers(R"(["batch_norm", "linear"])", Features(3, 2));
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    INFO(bad);
    const Initial initial = Initialize(network, 1);
    const int last = static_cast<int>(network.parameters.slots().size()) - 1;
    // The last number of the last parameter and of the first buffer.
    Fill(network.parameters.View(initial.parameters, last).narrow(0, 1, 1), bad);
    Fill(network.buffers.View(initial.buffers, 0).narrow(0, 2, 1), bad);
    const TempFile file;
    SaveParameters(network, file.path(), initial.parameters, initial.buffers);
    Initial loaded;
    std::string error;
    try {
      LoadParameters(network, file.path(), loaded.parameters, loaded.buffers);
    } catch (const DataError& caught) {
      error = caught.what();
    }
    CHECK(error == file.path() +
                       " does not fit the model\n"
                       "  1.bias: has NaN or infinity among its numbers\n"
                       "  0.running_mean: has NaN or infinity among its numbers");
  }
}

}  // namespace
}  // namespace flsim
