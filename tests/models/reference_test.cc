// Every kind of layer against PyTorch's own modules; see tests/reference/models.py.
#include "tests/models/reference.h"

#include <ATen/Parallel.h>

#include <catch2/catch.hpp>

#include "tests/models/make.h"

namespace flsim {
namespace {

struct Expected {
  const double* values;  ///< evaluation loss, training loss, evaluation loss after, g . noise
  std::vector<double> gradients, buffers;
};

template <size_t N, size_t M>
Expected Reference(const double (&values)[N], const double (&gradients)[M]) {
  return {values, {gradients, gradients + M}, {}};
}
template <size_t N, size_t M, size_t K>
Expected Reference(const double (&values)[N], const double (&gradients)[M],
                   const double (&buffers)[K]) {
  return {values, {gradients, gradients + M}, {buffers, buffers + K}};
}

/// The parameters of models.py: noise, scaled by 2/sqrt(fan_in) for matrices, plus 1 for scales.
void SetParameters(const Network& network, const at::Tensor& parameters) {
  auto* data = parameters.mutable_data_ptr<float>();
  for (const ParameterSlot& slot : network.parameters.slots()) {
    const double scale =
        slot.shape.size() > 1 ? 2 / std::sqrt(static_cast<double>(slot.size / slot.shape[0])) : 1;
    const bool is_scale = slot.shape.size() == 1 && slot.name.size() > 7 &&
                          slot.name.compare(slot.name.size() - 7, 7, ".weight") == 0;
    for (int64_t i = slot.offset; i < slot.offset + slot.size; ++i) {
      data[i] = static_cast<float>(Noise(static_cast<uint64_t>(i)) * scale);
      if (is_scale) data[i] += 1;
    }
  }
}

/// `tolerance` is relative; the sums below are over up to 10^5 terms that both sides add in another
/// order in float32, and convolutions are free to choose their algorithm.
void CheckAgainst(const Network& network, const Expected& expected, bool train,
                  double tolerance = 1e-5) {
  at::set_num_threads(1);
  const DatasetFacts facts = Images(32);
  Batch batch(c10::kCPU);
  batch.Resize(facts, 4);
  for (int64_t i = 0; i < batch.inputs().numel(); ++i) {
    batch.input_data()[i] = static_cast<float>(Noise(1'000'000'000 + static_cast<uint64_t>(i)) * 3);
  }
  const int64_t labels[] = {3, 0, 9, 3};
  std::copy(labels, labels + 4, batch.labels());

  const auto replica = MakeInitialized("torch", network);
  SetParameters(network, replica->parameters);
  CHECK(replica->Evaluate(batch).loss == Approx(expected.values[0]).epsilon(tolerance));
  if (!train) return;
  Rng rng = TestRng();
  CHECK(replica->Gradient(batch, rng) == Approx(expected.values[1]).epsilon(tolerance));
  CHECK(replica->Evaluate(batch).loss == Approx(expected.values[2]).epsilon(tolerance));

  const std::vector<float> gradient = Read(replica->gradient);
  double projection = 0;
  for (size_t i = 0; i < gradient.size(); ++i) projection += gradient[i] * Noise(100'000'000 + i);
  const double norm = Norm(replica->gradient);
  CHECK(projection == Approx(expected.values[3]).margin(10 * tolerance * norm));
  REQUIRE(network.parameters.slots().size() == expected.gradients.size());
  for (int i = 0; i < static_cast<int>(expected.gradients.size()); ++i) {
    INFO(network.parameters[i].name);
    const at::Tensor slot = network.parameters.View(replica->gradient, i).reshape({-1});
    CHECK(Norm(slot) == Approx(expected.gradients[static_cast<size_t>(i)])
                            .epsilon(10 * tolerance)
                            .margin(tolerance * norm));
  }
  REQUIRE(network.buffers.slots().size() == expected.buffers.size());
  for (int i = 0; i < static_cast<int>(expected.buffers.size()); ++i) {
    INFO(network.buffers[i].name);
    CHECK(Norm(network.buffers.View(replica->buffers, i)) ==
          Approx(expected.buffers[static_cast<size_t>(i)]).epsilon(10 * tolerance));
  }
}

TEST_CASE("softmax equals PyTorch") {
  CheckAgainst(Build(R"("softmax")", Images(32)),
               Reference(reference::kSoftmax, reference::kSoftmaxGradient), true);
}

TEST_CASE("mlp equals PyTorch") {
  CheckAgainst(Build(R"("mlp")", Images(32)), Reference(reference::kMlp, reference::kMlpGradient),
               true);
}

TEST_CASE("lenet equals PyTorch") {
  CheckAgainst(Build(R"("lenet")", Images(32)),
               Reference(reference::kLeNet, reference::kLeNetGradient), true);
}

TEST_CASE("cnn without its dropout equals PyTorch") {
  const Network network = BuildLayers(R"([
      {"name": "conv", "channels": 32, "kernel": 3}, "relu",
      {"name": "conv", "channels": 64, "kernel": 3}, "relu", "max_pool", "flatten",
      {"name": "linear", "features": 128}, "relu", "linear"])",
                                      Images(32));
  CheckAgainst(network, Reference(reference::kCnn, reference::kCnnGradient), true);
  CheckAgainst(Build(R"("cnn")", Images(32)), Reference(reference::kCnn, reference::kCnnGradient),
               false);
}

TEST_CASE("resnet18 with group norm equals PyTorch") {
  CheckAgainst(Build(R"("resnet18")", Images(32)),
               Reference(reference::kResNet18Group, reference::kResNet18GroupGradient), true);
}

TEST_CASE("resnet18 with batch norm equals PyTorch") {
  CheckAgainst(Build(R"({"name": "resnet18", "norm": "batch"})", Images(32)),
               Reference(reference::kResNet18Batch, reference::kResNet18BatchGradient,
                         reference::kResNet18BatchBuffers),
               true);
}

TEST_CASE("paddings, strides, average pools and both uses of batch norm equal PyTorch") {
  const Network network = BuildLayers(R"([
      {"name": "conv", "channels": 8, "kernel": 3, "stride": 2, "padding": 1}, "batch_norm", "relu",
      {"name": "avg_pool", "kernel": 3, "stride": 1},
      {"name": "conv", "channels": 8, "kernel": 2, "padding": 1, "bias": false},
      {"name": "group_norm", "groups": 4}, {"name": "max_pool", "kernel": 3, "stride": 2},
      "flatten", {"name": "linear", "features": 20}, "batch_norm", "relu",
      {"name": "linear", "bias": false}])",
                                      Images(32));
  CheckAgainst(
      network,
      Reference(reference::kRegions, reference::kRegionsGradient, reference::kRegionsBuffers),
      true);
}

}  // namespace
}  // namespace flsim
