// Features of a network and losses on them.
#include <ATen/ops/mse_loss.h>
#include <c10/core/GradMode.h>

#include <catch2/catch.hpp>

#include "tests/models/make.h"

namespace flsim {
namespace {

/// Another model of the same network.
at::Tensor OtherParameters(const Network& network) {
  at::Tensor parameters, buffers;
  InitializeParameters(network, 99, parameters, buffers);
  return parameters;
}

struct Case {
  const char* name;
  DatasetFacts facts;
  Network network;
};

/// Networks in which the last layer's input is made in different ways.
std::vector<Case> Cases() {
  const auto layers = [](const char* name, const DatasetFacts& facts, const std::string& list) {
    return Case{name, facts, BuildLayers(list, facts)};
  };
  std::vector<Case> cases;
  cases.push_back(
      {"mlp", Features(7, 3), Build(R"({"name": "mlp", "hidden": [5]})", Features(7, 3))});
  cases.push_back({"lenet", Images(32), Build(R"("lenet")", Images(32))});
  cases.push_back(layers("dropout last but one", Features(7, 3),
                         R"([{"name": "linear", "features": 9}, "relu", "dropout", "linear"])"));
  cases.push_back(layers("relu last", Features(7, 3),
                         R"([{"name": "linear", "features": 4}, "linear", "relu"])"));
  cases.push_back(layers("batch_norm", Images(8, 3),
                         R"([{"name": "conv", "channels": 4}, "batch_norm", "relu", "max_pool",
                             "flatten", {"name": "linear", "features": 6}, "batch_norm", "relu",
                             "linear"])"));
  cases.push_back(layers("an image into the last layer", Images(6, 4),
                         R"([{"name": "conv", "channels": 4}, "relu",
                             {"name": "avg_pool", "kernel": 0}, "flatten"])"));
  cases.push_back(layers("residual", Images(8, 3),
                         R"([{"name": "residual",
                              "body": [{"name": "conv", "channels": 3, "padding": 1},
                                       {"name": "group_norm", "groups": 1}]},
                             "relu", "flatten", "linear"])"));
  cases.push_back({"regression", Regression(4),
                   BuildLayers(R"([{"name": "linear", "features": 3},
                                                                "relu", "linear"])",
                               Regression(4))});
  return cases;
}

bool HasBatchNorm(const Network& network) { return network.buffers.size() > 0; }

TEST_CASE("features are what the last layer is given") {
  const DatasetFacts facts = Features(2, 2);
  const Network network =
      BuildLayers(R"([{"name": "linear", "features": 3}, "relu", "linear"])", facts);
  const auto replica = MakeInitialized("torch", network);
  at::Tensor other = Zeros(network.parameters.size(), c10::Device(c10::kCPU));
  const float weights[] = {1, 2, -1, 3, 0, -2, 0.5f, 0, 1};  // W [3, 2], b [3]
  std::copy(weights, weights + 9, other.mutable_data_ptr<float>());
  Batch batch(c10::kCPU);
  batch.Resize(facts, 2);
  const float inputs[] = {1, 1, 2, -1};
  std::copy(inputs, inputs + 4, batch.input_data());
  const at::Tensor features = replica->Features(other, batch);
  REQUIRE(features.sizes() == at::IntArrayRef({2, 3}));
  CHECK(features.scalar_type() == at::kFloat);
  CHECK_FALSE(features.requires_grad());
  // relu(x W' + b): rows (3.5, 2, -1) and (0.5, -5, 3).
  CHECK(Read(features.contiguous()) == std::vector<float>{3.5f, 2, 0, 0.5f, 0, 3});
}

TEST_CASE("features at other parameters leave the replica as it was") {
  for (const Case& c : Cases()) {
    INFO(c.name);
    const auto replica = MakeInitialized("torch", c.network);
    const Batch batch = RandomBatch(c.facts, 5);
    Rng rng = TestRng();
    replica->Gradient(batch, rng);
    const auto parameters = Read(replica->parameters), buffers = Read(replica->buffers),
               gradient = Read(replica->gradient);
    const double loss = replica->Evaluate(batch).loss;
    const auto own = Read(replica->Features(replica->parameters, batch).contiguous());
    const auto other = Read(replica->Features(OtherParameters(c.network), batch).contiguous());
    CHECK(own.size() == other.size());
    CHECK(own != other);
    CHECK(Read(replica->parameters) == parameters);
    CHECK(Read(replica->buffers) == buffers);
    CHECK(Read(replica->gradient) == gradient);
    CHECK(replica->Evaluate(batch).loss == loss);
    CHECK(Read(replica->Features(replica->parameters, batch).contiguous()) == own);
  }
}

TEST_CASE("a feature loss may ask for features at other parameters without changing the gradient") {
  for (const Case& c : Cases()) {
    INFO(c.name);
    const auto plain = MakeInitialized("torch", c.network);
    const auto asked = MakeInitialized("torch", c.network);
    const at::Tensor other = OtherParameters(c.network);
    for (uint64_t step = 0; step < 3; ++step) {
      const Batch batch = RandomBatch(c.facts, 5, step);
      int calls = 0;
      const FeatureLoss nothing = [&](const at::Tensor& features) {
        ++calls;
        const auto before = Read(features.contiguous());
        asked->Features(other, batch);
        asked->Features(asked->parameters, batch);
        CHECK(c10::GradMode::is_enabled());
        CHECK(Read(features.contiguous()) == before);
        return at::Tensor();
      };
      Rng rng = TestRng(step), same = TestRng(step);
      CHECK(plain->Gradient(batch, rng) == asked->Gradient(batch, same, &nothing));
      CHECK(calls == 1);
      CHECK(Read(plain->gradient) == Read(asked->gradient));
      CHECK(Read(plain->buffers) == Read(asked->buffers));
      CHECK(rng.Bits() == same.Bits());
      AddScaled(plain->parameters, -0.1, plain->gradient);
      AddScaled(asked->parameters, -0.1, asked->gradient);
    }
  }
}

TEST_CASE("a feature loss sees the features of evaluation where training has no other rules") {
  for (const Case& c : Cases()) {
    if (c.network.HasDropout() || HasBatchNorm(c.network)) continue;
    INFO(c.name);
    const auto replica = MakeInitialized("torch", c.network);
    const Batch batch = RandomBatch(c.facts, 5);
    std::vector<float> seen;
    const FeatureLoss look = [&](const at::Tensor& features) {
      CHECK(features.dim() == 2);
      CHECK(features.size(0) == 5);
      seen = Read(features.contiguous());
      return at::Tensor();
    };
    Rng rng = TestRng();
    replica->Gradient(batch, rng, &look);
    CHECK(seen == Read(replica->Features(replica->parameters, batch).contiguous()));
  }
}

TEST_CASE("a linear function of the features adds its own gradient and value") {
  // z = W x + b without ReLU; the term is the mean over the batch of <c, z>, so that dW = c
  // mean(x)' and db = c, and the last layer has no part in it.
  const DatasetFacts facts = Features(2, 3);
  const Network network = BuildLayers(R"([{"name": "linear", "features": 3}, "linear"])", facts);
  const auto with = MakeInitialized("torch", network), without = MakeInitialized("torch", network);
  const Batch batch = RandomBatch(facts, 4);
  const at::Tensor c = Zeros(3, c10::Device(c10::kCPU));
  const float coefficients[] = {2, -1, 0.5f};
  std::copy(coefficients, coefficients + 3, c.mutable_data_ptr<float>());
  double value = 0;
  const FeatureLoss term = [&](const at::Tensor& z) {
    const at::Tensor mean = z.matmul(c).mean();
    value = mean.item<float>();
    return mean;
  };
  Rng rng = TestRng();
  const double plain = without->Gradient(batch, rng);
  const double sum = with->Gradient(batch, rng, &term);
  CHECK(sum == Approx(plain + value).epsilon(1e-6));
  double mean_x[2] = {0, 0};
  for (int64_t i = 0; i < 8; ++i) mean_x[i % 2] += batch.input_data()[i] / 4.0;
  const auto got = Read(with->gradient), base = Read(without->gradient);
  for (size_t j = 0; j < 3; ++j) {
    for (size_t i = 0; i < 2; ++i) {
      CHECK(got[2 * j + i] - base[2 * j + i] == Approx(coefficients[j] * mean_x[i]).margin(1e-6));
    }
    CHECK(got[6 + j] - base[6 + j] == Approx(coefficients[j]).margin(1e-6));
  }
  for (size_t i = 9; i < got.size(); ++i) CHECK(got[i] == base[i]);
}

TEST_CASE("the gradient with a feature loss is the derivative of the loss that is returned") {
  for (const Case& c : Cases()) {
    INFO(c.name);
    const auto replica = MakeInitialized("torch", c.network);
    const at::Tensor other = OtherParameters(c.network), start = replica->parameters.clone();
    const Batch batch = RandomBatch(c.facts, 40);
    // Of the running statistics before the step, so that they don't move with the parameters.
    const at::Tensor target = replica->Features(other, batch);
    const FeatureLoss term = [&](const at::Tensor& z) {
      replica->Features(other, batch);
      return at::mse_loss(z, target).mul(3);
    };
    // Along the gradient the derivative is its norm; buffers and dropout are the same each time.
    const at::Tensor buffers = replica->buffers.clone();
    const auto loss = [&](const at::Tensor& parameters) {
      Copy(replica->parameters, parameters);
      Copy(replica->buffers, buffers);
      Rng rng = TestRng();
      return replica->Gradient(batch, rng, &term);
    };
    loss(start);
    const at::Tensor direction = replica->gradient.clone();
    const double norm = Norm(direction), h = 5e-4;
    REQUIRE(norm > 0.01);
    Scale(direction, 1 / norm);
    const at::Tensor ahead = start.clone(), behind = start.clone();
    AddScaled(ahead, h, direction);
    AddScaled(behind, -h, direction);
    CHECK((loss(ahead) - loss(behind)) / (2 * h) == Approx(norm).epsilon(0.01));
  }
}

TEST_CASE("a strategy that needs features gets torch, and linear is refused with the reason") {
  const Network softmax = Build(R"("softmax")", Images(32));
  CHECK(ResolveBackend("auto", softmax, true) == "torch");
  CHECK(ResolveBackend("torch", softmax, true) == "torch");
  CHECK(ResolveBackend("auto", softmax, false) == "linear");
  CHECK_THROWS_WITH(ResolveBackend("linear", softmax, true),
                    "runtime.backend: linear can't give the strategy the features that it needs; "
                    "use auto or torch");
  const auto linear = MakeReplica("linear", softmax);
  const Batch batch = RandomBatch(Images(32), 2);
  CHECK_THROWS_AS(linear->Features(linear->parameters, batch), InternalError);
  CHECK(MakeReplica("torch", softmax)->Features(linear->parameters, batch).sizes() ==
        at::IntArrayRef({2, 3072}));
}

}  // namespace
}  // namespace flsim
