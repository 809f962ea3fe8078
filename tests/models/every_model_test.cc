// What must hold for every model: the same bits in every thread, and gradients that are those of
// the loss.
#include <ATen/Parallel.h>

#include <catch2/catch.hpp>
#include <thread>

#include "tests/models/make.h"

namespace flsim {
namespace {

struct Case {
  std::string model;
  DatasetFacts facts;
};
const std::vector<Case>& EveryModel() {
  static const std::vector<Case> cases = {
      {R"("linear")", Regression(10)},
      {R"("softmax")", Features(10, 3)},
      {R"({"name": "mlp", "hidden": [20, 10]})", Features(12, 3)},
      {R"("lenet")", Images(16, 4)},
      {R"("cnn")", Images(10, 4)},
      {R"("resnet18")", Images(8, 4)},
      {R"({"name": "resnet18", "norm": "batch"})", Images(8, 4)},
      {R"({"name": "sequential", "layers": [
          {"name": "conv", "channels": 4}, "batch_norm", "relu", "relu",
          {"name": "residual", "body": ["relu", {"name": "conv", "channels": 4, "padding": 1}],
           "shortcut": ["relu"]}, "relu",
          {"name": "avg_pool", "kernel": 2}, {"name": "group_norm", "groups": 2}, "dropout",
          "flatten", "relu", {"name": "linear", "features": 9}, "linear"]})",
       Images(10, 4)},
      {R"({"name": "sequential", "layers": [
          {"name": "conv", "channels": 4}, "relu", {"name": "max_pool", "kernel": 2}, "relu",
          "flatten", "linear"]})",
       Images(10, 4)},
  };
  return cases;
}

/// Two training steps and an evaluation.
std::vector<float> Trace(const Network& network, const DatasetFacts& facts) {
  at::set_num_threads(1);
  const auto replica = MakeInitialized(ResolveBackend("auto", network), network);
  std::vector<float> trace;
  Rng rng = TestRng();
  for (uint64_t step = 0; step < 2; ++step) {
    trace.push_back(static_cast<float>(replica->Gradient(RandomBatch(facts, 6, step), rng)));
    AddScaled(replica->parameters, -0.01, replica->gradient);
  }
  trace.push_back(static_cast<float>(replica->Evaluate(RandomBatch(facts, 6, 9)).loss));
  for (const at::Tensor* vector : {&replica->parameters, &replica->gradient, &replica->buffers}) {
    const std::vector<float> values = Read(*vector);
    trace.insert(trace.end(), values.begin(), values.end());
  }
  return trace;
}

TEST_CASE("replicas in two threads give the same bits as one alone, for every model") {
  for (const Case& each : EveryModel()) {
    INFO(each.model);
    const Network network = Build(each.model, each.facts);
    const std::vector<float> alone = Trace(network, each.facts);
    std::vector<float> first, second;
    std::thread one([&] { first = Trace(network, each.facts); });
    std::thread two([&] { second = Trace(network, each.facts); });
    one.join();
    two.join();
    CHECK(first == alone);
    CHECK(second == alone);
  }
}

/// (L(w + h d) - L(w - h d)) / 2h against gradient . d.
void CheckDirection(const Network& network, Replica& replica, const Batch& batch,
                    const at::Tensor& direction) {
  const at::Tensor w = replica.parameters.clone(), g = replica.gradient.clone();
  double slope = 0;
  const std::vector<float> along = Read(direction), gradient = Read(g);
  for (size_t i = 0; i < along.size(); ++i) {
    slope += static_cast<double>(along[i]) * gradient[i];
  }
  // The loss is a float32 near 1 to 3, known to about 2e-7; a step that changes it by up to 5e-3
  // each way tells the slope to 1e-4 or better. The quotient's own error is h^2 times a third
  // derivative, or a kink of ReLU or max pool between the two points; 2% of the slope covers them.
  const double h = std::min(1e-3, 5e-3 / std::abs(slope));
  double loss[2];
  for (int side = 0; side < 2; ++side) {
    Copy(replica.parameters, w);
    AddScaled(replica.parameters, side == 0 ? -h : h, direction);
    Rng rng = TestRng();  // the same dropout
    loss[side] = replica.Gradient(batch, rng);
  }
  CHECK((loss[1] - loss[0]) / (2 * h) == Approx(slope).epsilon(0.02).margin(5e-4));
  Copy(replica.parameters, w);
  Copy(replica.gradient, g);
}

TEST_CASE("gradients equal finite differences of the loss, for every model") {
  at::set_num_threads(1);
  for (const Case& each : EveryModel()) {
    const Network network = Build(each.model, each.facts);
    for (const std::string backend : {"torch", "linear"}) {
      if (backend == "linear" && ResolveBackend("auto", network) != "linear") continue;
      INFO(each.model << " with " << backend);
      const auto replica = MakeInitialized(backend, network, 2);
      const Batch batch = RandomBatch(each.facts, 6);
      Rng rng = TestRng();
      replica->Gradient(batch, rng);
      const double norm = Norm(replica->gradient);
      REQUIRE(norm > 0.05);
      // Along the gradient, along each tensor's part of it (for nets of few), and askew.
      at::Tensor direction = Zeros(network.parameters.size(), c10::kCPU);
      SetScaled(direction, 1 / norm, replica->gradient);
      CheckDirection(network, *replica, batch, direction);
      Rng noise(5, {"direction"});
      const double scale = 1 / std::sqrt(static_cast<double>(direction.numel()));
      auto* values = direction.mutable_data_ptr<float>();
      for (int64_t i = 0; i < direction.numel(); ++i) {
        values[i] += static_cast<float>(noise.Normal() * scale);
      }
      CheckDirection(network, *replica, batch, direction);
      const auto slots = static_cast<int>(network.parameters.slots().size());
      for (int i = 0; i < slots && slots <= 12; ++i) {
        INFO(network.parameters[i].name);
        Fill(direction, 0);
        const at::Tensor part = network.parameters.View(direction, i).view({-1});
        const at::Tensor own = network.parameters.View(replica->gradient, i).reshape({-1});
        if (Norm(own) < 1e-4) continue;  // a bias before batch norm has none
        SetScaled(part, 1 / Norm(own), own);
        CheckDirection(network, *replica, batch, direction);
      }
    }
  }
}

}  // namespace
}  // namespace flsim
