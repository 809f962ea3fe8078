#include "models/backend.h"

#include <ATen/Parallel.h>

#include <catch2/catch.hpp>
#include <limits>
#include <set>
#include <thread>

#include "tests/models/make.h"

namespace flsim {
namespace {

TEST_CASE("auto is linear for one linear layer and torch for all else") {
  CHECK(BackendNames() == std::vector<std::string>{"auto", "linear", "torch"});
  CHECK(ResolveBackend("auto", Build(R"("linear")", Regression(10))) == "linear");
  CHECK(ResolveBackend("auto", Build(R"("softmax")", Images(32))) == "linear");
  CHECK(ResolveBackend("torch", Build(R"("softmax")", Images(32))) == "torch");
  CHECK(ResolveBackend("auto", Build(R"("mlp")", Features(3, 2))) == "torch");
  CHECK(ResolveBackend("auto", BuildLayers(R"(["relu", "linear"])", Features(3, 2))) == "torch");
  CHECK(ResolveBackend("auto", BuildLayers(R"([{"name": "linear", "bias": false}])",
                                           Features(3, 2))) == "torch");
  CHECK_THROWS_WITH(ResolveBackend("linear", Build(R"("lenet")", Images(32))),
                    "runtime.backend: linear runs networks of one linear layer with bias only; "
                    "use auto or torch");
  CHECK_THROWS_WITH(ResolveBackend("cuda", Build(R"("lenet")", Images(32))),
                    "runtime.backend: must be one of auto, linear, torch; got \"cuda\"");
}

/// Largest difference, relative to the largest expected value.
double Difference(const at::Tensor& got, const at::Tensor& expected) {
  double difference = 0, largest = 0;
  const std::vector<float> a = Read(got), b = Read(expected);
  REQUIRE(a.size() == b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    difference = std::max(difference, std::abs(static_cast<double>(a[i]) - b[i]));
    largest = std::max(largest, std::abs(static_cast<double>(b[i])));
  }
  return difference / largest;
}

void CheckLinearEqualsTorch(const Network& network, const DatasetFacts& facts) {
  const auto linear = MakeInitialized("linear", network, 5);
  const auto torch = MakeInitialized("torch", network, 5);
  uint64_t stream = 0;
  // One replica serves batches of every size: the last one of a client's data is often smaller.
  for (const int64_t n : {10, 1, 37, 2, 64, 3}) {
    INFO(n);
    const Batch batch = RandomBatch(facts, n, stream++);
    Fill(linear->gradient, 1e9f);  // must be replaced, not added to
    Fill(torch->gradient, 1e9f);
    Rng rng = TestRng();
    const double loss = linear->Gradient(batch, rng);
    CHECK(loss == Approx(torch->Gradient(batch, rng)).epsilon(1e-5));
    CHECK(Difference(linear->gradient, torch->gradient) < 1e-5);
    const EvaluationSums a = linear->Evaluate(batch), b = torch->Evaluate(batch);
    CHECK(a.examples == n);
    CHECK(b.examples == n);
    CHECK(a.loss == Approx(b.loss).epsilon(1e-5));
    CHECK(a.loss == Approx(loss * static_cast<double>(n)).epsilon(1e-5));
    CHECK(a.correct == b.correct);
    AddScaled(linear->parameters, -0.1, linear->gradient);
    AddScaled(torch->parameters, -0.1, torch->gradient);
  }
}

TEST_CASE("the linear backend equals the torch backend for regression") {
  for (const int64_t features : {1, 2, 3, 5, 8, 10, 13, 16, 17, 20, 31, 32, 100, 257}) {
    INFO(features);
    CheckLinearEqualsTorch(Build(R"("linear")", Regression(features)), Regression(features));
  }
}

TEST_CASE("the linear backend equals the torch backend for classification") {
  for (const int64_t features : {1, 7, 10, 16, 33, 300}) {
    for (const int64_t classes : {2, 3, 5, 10, 11, 16, 23}) {
      INFO(features << " features, " << classes << " classes");
      const DatasetFacts facts = Features(features, classes);
      CheckLinearEqualsTorch(Build(R"("softmax")", facts), facts);
    }
  }
  CheckLinearEqualsTorch(Build(R"("softmax")", Images(9, 4)), Images(9, 4));
}

TEST_CASE("softmax survives scores that overflow exp, and NaN shows in the loss") {
  const DatasetFacts facts = Features(3, 4);
  const Network network = Build(R"("softmax")", facts);
  for (const char* backend : {"linear", "torch"}) {
    INFO(backend);
    const auto replica = MakeInitialized(backend, network);
    Batch batch = RandomBatch(facts, 6);
    for (int64_t i = 0; i < 18; ++i) batch.input_data()[i] = i % 2 == 0 ? 3e4f : -2e4f;
    Rng rng = TestRng();
    CHECK(std::isfinite(replica->Gradient(batch, rng)));
    CHECK(std::isfinite(SquaredNorm(replica->gradient)));
    CHECK(std::isfinite(replica->Evaluate(batch).loss));
    batch.input_data()[7] = std::numeric_limits<float>::quiet_NaN();
    CHECK(std::isnan(replica->Gradient(batch, rng)));
    CHECK(std::isnan(SquaredNorm(replica->gradient)));
    CHECK(std::isnan(replica->Evaluate(batch).loss));
  }
}

TEST_CASE("NaN shows in the loss of a regression") {
  const DatasetFacts facts = Regression(3);
  const Network network = Build(R"("linear")", facts);
  for (const char* backend : {"linear", "torch"}) {
    INFO(backend);
    const auto replica = MakeInitialized(backend, network);
    Batch batch = RandomBatch(facts, 6);
    batch.input_data()[7] = std::numeric_limits<float>::quiet_NaN();
    Rng rng = TestRng();
    CHECK(std::isnan(replica->Gradient(batch, rng)));
    CHECK(std::isnan(replica->Evaluate(batch).loss));
  }
}

TEST_CASE("evaluation counts hits and sums losses") {
  // Two features are the scores of two classes.
  const DatasetFacts facts = Features(2, 2);
  const Network network = Build(R"("softmax")", facts);
  for (const char* backend : {"linear", "torch"}) {
    INFO(backend);
    const auto replica = MakeReplica(backend, network);
    const float identity[] = {1, 0, 0, 1, 0, 0};
    std::copy(identity, identity + 6, replica->parameters.mutable_data_ptr<float>());
    Batch batch(c10::kCPU);
    batch.Resize(facts, 3);
    const float inputs[] = {1, 0, 0, 2, 3, 0};
    const int64_t labels[] = {0, 1, 1};
    std::copy(inputs, inputs + 6, batch.input_data());
    std::copy(labels, labels + 3, batch.labels());
    const EvaluationSums sums = replica->Evaluate(batch);
    CHECK(sums.examples == 3);
    CHECK(sums.correct == 2);
    // log(1 + e^-margin) of each example
    CHECK(sums.loss ==
          Approx(std::log1p(std::exp(-1)) + std::log1p(std::exp(-2)) + std::log1p(std::exp(3)))
              .epsilon(1e-6));
  }
}

TEST_CASE("batch statistics go to the buffers as PyTorch defines them") {
  const DatasetFacts facts = Features(2, 2);
  const Network network = BuildLayers(R"(["batch_norm", "linear"])", facts);
  const auto replica = MakeInitialized("torch", network);
  Batch batch(c10::kCPU);
  batch.Resize(facts, 4);
  const float inputs[] = {1, 10, 2, 10, 3, 10, 6, 14};
  std::copy(inputs, inputs + 8, batch.input_data());
  std::fill(batch.labels(), batch.labels() + 4, 0);
  Rng rng = TestRng();
  replica->Gradient(batch, rng);
  // Means 3 and 11, unbiased variances 14/3 and 4; momentum 0.1 from 0 and 1.
  const std::vector<float> buffers = Read(replica->buffers);
  CHECK(buffers[0] == Approx(0.3));
  CHECK(buffers[1] == Approx(1.1));
  CHECK(buffers[2] == Approx(0.9 + 0.1 * 14 / 3));
  CHECK(buffers[3] == Approx(0.9 + 0.1 * 4));
  // Evaluation uses them and leaves them.
  const double loss = replica->Evaluate(batch).loss;
  CHECK(Read(replica->buffers) == buffers);
  Fill(replica->buffers, 4);
  CHECK(replica->Evaluate(batch).loss != loss);
}

TEST_CASE("a batch without variance is refused with the remedy") {
  const DatasetFacts facts = Features(2, 2);
  const Network network = BuildLayers(R"(["batch_norm", "linear"])", facts);
  const auto replica = MakeInitialized("torch", network);
  Rng rng = TestRng();
  CHECK_THROWS_WITH(
      replica->Gradient(RandomBatch(facts, 1), rng),
      "layer 0 (batch_norm) got a batch with a single value for each channel, which has no "
      "variance; choose training.batch_size so that no client's last batch has one example, or "
      "use group_norm");
  CHECK(std::isfinite(replica->Evaluate(RandomBatch(facts, 1)).loss));
}

/// One linear layer of weights 1/n after dropout: its output is the mean of what dropout let pass.
std::unique_ptr<Replica> MeanAfterDropout(const Network& network, int64_t n) {
  auto replica = MakeReplica("torch", network);
  Fill(replica->parameters, 1 / static_cast<float>(n));
  Fill(replica->parameters.narrow(0, n, 1), 0);
  return replica;
}

TEST_CASE("dropout keeps a value with probability 1 - p, scaled so that the expectation stays") {
  const int64_t n = 100'001;  // odd: the last draw stands alone
  const DatasetFacts facts = Regression(n);
  for (const double p : {0.25, 0.5, 0.9}) {
    INFO(p);
    const Network network =
        BuildLayers(R"([{"name": "dropout", "p": )" + std::to_string(p) + R"(}, "linear"])", facts);
    const auto replica = MeanAfterDropout(network, n);
    Batch batch(c10::kCPU);
    batch.Resize(facts, 1);
    std::fill(batch.input_data(), batch.input_data() + n, 1.0f);
    batch.target_values()[0] = 0;
    Rng rng = TestRng();
    const double loss = replica->Gradient(batch, rng);
    // dL/dw = 2 z mask: its distinct values are the mask's, times 2 z.
    const double z = std::sqrt(loss);
    int64_t kept = 0;
    std::set<float> values;
    for (const float g : Read(replica->gradient.narrow(0, 0, n))) {
      values.insert(g);
      kept += g != 0 ? 1 : 0;
    }
    REQUIRE(values.size() == 2);
    CHECK(*values.rbegin() / (2 * z) == Approx(1 / (1 - p)).epsilon(1e-4));
    // Five standard deviations of a binomial.
    const auto count = static_cast<double>(n);
    CHECK(std::abs(static_cast<double>(kept) - count * (1 - p)) <
          5 * std::sqrt(count * p * (1 - p)));
    CHECK(std::abs(z - 1) < 5 * std::sqrt(p / (1 - p) / count));
  }
}

TEST_CASE("dropout follows the generator it is handed, and is off in evaluation") {
  const DatasetFacts facts = Images(12, 3);
  const Network network = Build(R"("cnn")", facts);
  const auto replica = MakeInitialized("torch", network);
  const Batch batch = RandomBatch(facts, 5);
  Rng first = TestRng(), same = TestRng(), other = TestRng(1);
  const double loss = replica->Gradient(batch, first);
  const std::vector<float> gradient = Read(replica->gradient);
  CHECK(replica->Gradient(batch, same) == loss);
  CHECK(Read(replica->gradient) == gradient);
  CHECK(replica->Gradient(batch, other) != loss);
  CHECK(replica->Gradient(batch, same) != loss);  // the stream has moved on
  CHECK(replica->Evaluate(batch).loss == replica->Evaluate(batch).loss);
  Rng before = TestRng(2), after = TestRng(2);
  replica->Evaluate(batch);
  CHECK(before.Bits() == after.Bits());
}

TEST_CASE("the gradient replaces what was there and the vectors are never replaced") {
  const DatasetFacts facts = Images(16, 4);
  const Network network = Build(R"("lenet")", facts);
  const auto replica = MakeInitialized("torch", network);
  const void* parameters = replica->parameters.const_data_ptr();
  const void* gradient = replica->gradient.const_data_ptr();
  const Batch batch = RandomBatch(facts, 5);
  Rng rng = TestRng();
  replica->Gradient(batch, rng);
  const std::vector<float> first = Read(replica->gradient);
  for (int i = 0; i < 3; ++i) {
    replica->Gradient(batch, rng);
    CHECK(Read(replica->gradient) == first);
  }
  AddScaled(replica->parameters, -0.5, replica->gradient);
  replica->Gradient(batch, rng);
  CHECK(Read(replica->gradient) != first);
  CHECK(replica->parameters.const_data_ptr() == parameters);
  CHECK(replica->gradient.const_data_ptr() == gradient);
}

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
