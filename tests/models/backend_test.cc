#include "models/backend.h"

#include <catch2/catch.hpp>
#include <limits>
#include <set>

#include "tests/models/make.h"

namespace flsim {
namespace {

TEST_CASE("auto is linear for one linear layer, fused where it has kernels, torch for all else") {
  CHECK(BackendNames() == std::vector<std::string>{"auto", "fused", "linear", "torch"});
  CHECK(ResolveBackend("auto", Build(R"("linear")", Regression(10))) == "linear");
  CHECK(ResolveBackend("auto", Build(R"("softmax")", Images(32))) == "linear");
  CHECK(ResolveBackend("torch", Build(R"("softmax")", Images(32))) == "torch");
  for (const char* model : {R"("lenet")", R"("cnn")", R"("mlp")"}) {
    CHECK(ResolveBackend("auto", Build(model, Images(32))) == "fused");
  }
  CHECK(ResolveBackend("auto", BuildLayers(R"(["relu", "linear"])", Features(3, 2))) == "fused");
  CHECK(ResolveBackend("auto", BuildLayers(R"([{"name": "linear", "bias": false}])",
                                           Features(3, 2))) == "fused");
  const Network resnet = Build(R"("resnet18")", Images(32));
  CHECK(ResolveBackend("auto", resnet) == "torch");
  CHECK(DescribeBackend("torch", resnet) ==
        "torch backend: LibTorch's operations and autograd; fused has no kernel for residual "
        "(layer layer1.0)\n");
  CHECK_THROWS_WITH(ResolveBackend("fused", resnet),
                    "runtime.backend: fused has no kernel for residual (layer layer1.0); use auto "
                    "or torch");
  CHECK_THROWS_WITH(
      ResolveBackend("fused", BuildLayers(R"(["batch_norm", "linear"])", Features(3, 2))),
      "runtime.backend: fused has no kernel for batch_norm (layer 0); use auto or torch");
  CHECK_THROWS_WITH(ResolveBackend("linear", Build(R"("lenet")", Images(32))),
                    "runtime.backend: linear runs networks of one linear layer with bias only; "
                    "use auto or torch");
  CHECK_THROWS_WITH(ResolveBackend("cuda", Build(R"("lenet")", Images(32))),
                    "runtime.backend: must be one of auto, fused, linear, torch; got \"cuda\"");
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
  for (const int64_t features : {1, 2, 3, 5, 8, 10, 13, 16, 17, 20, 31, 32, 64, 65, 100, 257}) {
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

}  // namespace
}  // namespace flsim
