// The fused backend against the torch backend: the same gradients, losses and steps for every layer
// that it has kernels for, in odd shapes, on every instruction set that this machine has.

#include <catch2/catch.hpp>

#include "models/backend.h"
#include "models/backends/fused/targets.h"
#include "tests/models/make.h"

namespace flsim {
namespace {

/// The tensor whose gradients differ most, relative to its largest value.
std::pair<double, std::string> LargestDifference(const Network& network, const at::Tensor& got,
                                                 const at::Tensor& expected) {
  std::pair<double, std::string> worst;
  const std::vector<float> a = Read(got), b = Read(expected);
  for (const ParameterSlot& slot : network.parameters.slots()) {
    double difference = 0, largest = 0;
    for (int64_t i = slot.offset; i < slot.offset + slot.size; ++i) {
      const auto at = static_cast<size_t>(i);
      difference = std::max(difference, std::abs(static_cast<double>(a[at]) - b[at]));
      largest = std::max(largest, std::abs(static_cast<double>(b[at])));
      if (std::isnan(a[at])) return {1, slot.name + " has NaN"};
    }
    if (largest > 0) difference /= largest;
    worst = std::max(worst, {difference, slot.name});
  }
  return worst;
}

void CheckEqualsTorch(const Network& network, const DatasetFacts& facts, int64_t n,
                      uint64_t stream) {
  const auto fused = MakeInitialized("fused", network, stream);
  const auto torch = MakeInitialized("torch", network, stream);
  const Batch batch = RandomBatch(facts, n, stream);
  Fill(fused->gradient, 1e9f);  // must be replaced, not added to
  Rng rng = TestRng(stream), same = TestRng(stream);
  const double loss = fused->Gradient(batch, rng);
  CHECK(loss == Approx(torch->Gradient(batch, same)).epsilon(1e-5));
  const auto [difference, tensor] = LargestDifference(network, fused->gradient, torch->gradient);
  INFO(tensor);
  CHECK(difference < 1e-5);
  const EvaluationSums a = fused->Evaluate(batch), b = torch->Evaluate(batch);
  CHECK(a.examples == n);
  CHECK(a.loss == Approx(b.loss).epsilon(1e-5));
  CHECK(a.correct == b.correct);
}

/// One of `values`.
template <class T>
T Pick(Rng& rng, const std::vector<T>& values) {
  return values[rng.Below(values.size())];
}

std::string Number(int64_t n) { return std::to_string(n); }

/// A random network of every supported layer that fits the image; ends in a fully connected layer.
std::string RandomLayers(Rng& rng, const DatasetFacts& facts) {
  std::string list;
  int64_t side = facts.input_shape[1];
  const uint64_t head = rng.Below(8);
  if (head == 0) list += R"("relu", )";
  if (head == 1) list += R"({"name": "max_pool", "kernel": 3, "stride": 1}, )";
  if (head == 2) list += R"({"name": "avg_pool", "kernel": 3, "stride": 1}, )";
  if (head == 1 || head == 2) side -= 2;
  const auto layers = static_cast<int>(1 + rng.Below(3));
  // At most one norm, and then no biases: a norm takes shifts and scales out again, and the
  // gradient of one that is taken out is nothing but rounding.
  const bool normed = rng.Below(3) == 0;
  bool norm_left = normed;
  for (int i = 0; i < layers && side >= 4; ++i) {
    const int64_t kernel = Pick<int64_t>(rng, {1, 2, 3, 3, 3, 4, 5, 5, 7});
    const int64_t padding = static_cast<int64_t>(rng.Below(static_cast<uint64_t>(kernel)));
    const int64_t stride = Pick<int64_t>(rng, {1, 1, 1, 2, 3});
    if (side + 2 * padding < kernel) break;
    const int64_t channels = Pick<int64_t>(rng, {1, 3, 6, 8, 10, 16, 17, 32, 48});
    const std::vector<int64_t> all_groups = channels % 2 == 0 ? std::vector<int64_t>{1, 2, channels}
                                                              : std::vector<int64_t>{1, channels};
    const int64_t groups = norm_left && rng.Below(2) == 0 ? Pick(rng, all_groups) : 0;
    if (groups > 0) norm_left = false;
    const bool bias = !normed && rng.Below(3) > 0;
    list += R"({"name": "conv", "channels": )" + Number(channels) + R"(, "kernel": )" +
            Number(kernel) + R"(, "padding": )" + Number(padding) + R"(, "stride": )" +
            Number(stride) + R"(, "bias": )" + (bias ? "true" : "false") + "}, ";
    side = (side + 2 * padding - kernel) / stride + 1;
    if (groups > 0) list += R"({"name": "group_norm", "groups": )" + Number(groups) + "}, ";
    const uint64_t tail = rng.Below(8);
    if (tail == 1) list += R"("relu", )";
    if (side >= 2 && tail >= 2) {
      const std::vector<std::string> tails = {
          R"("max_pool", )",
          R"("max_pool", "relu", )",
          R"("relu", "max_pool", )",
          R"("relu", "max_pool", )",
          R"("relu", {"name": "max_pool", "kernel": 2, "stride": 1}, )",
          R"("relu", "relu", {"name": "avg_pool", "kernel": 2, "stride": 2}, )"};
      list += tails[tail - 2];
      side = tail == 6 ? side - 1 : side / 2;
    }
  }
  if (rng.Below(5) == 0) list += R"({"name": "avg_pool", "kernel": 0}, )";
  list += Pick<std::string>(rng, {R"("flatten", )", R"("flatten", "relu", "flatten", )"});
  if (rng.Below(2) == 0) {
    list += R"({"name": "linear", "features": )" + Number(Pick<int64_t>(rng, {3, 20, 65, 130})) +
            "}, " + Pick<std::string>(rng, {R"("relu", )", ""});
  }
  return "[" + list + R"({"name": "linear"}])";
}

/// Kernels of one instruction set for as long as this lives.
struct InstructionSet {
  explicit InstructionSet(int64_t target) { hwy::SetSupportedTargetsForTest(target); }
  ~InstructionSet() { hwy::SetSupportedTargetsForTest(0); }
};

/// Runs `test` once for each instruction set of this machine.
template <class Test>
void OnEveryInstructionSet(const Test& test) {
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    INFO(hwy::TargetName(target));
    const InstructionSet set(target);
    test();
  }
}

TEST_CASE("gradients of random networks equal the torch backend's") {
  OnEveryInstructionSet([] {
    for (uint64_t trial = 0; trial < 120; ++trial) {
      Rng rng(11, {"network", trial});
      // Small, or some ReLU or maximum among millions is decided by rounding, on one side only.
      const auto n = static_cast<int64_t>(rng.Below(4) == 0 ? 1 + rng.Below(70) : 1 + rng.Below(6));
      const DatasetFacts facts =
          Images(static_cast<int64_t>(4 + rng.Below(n > 6 ? 5 : 12)),
                 static_cast<int64_t>(2 + rng.Below(10)), Pick<int64_t>(rng, {1, 2, 3, 3, 5, 16}));
      const std::string layers = RandomLayers(rng, facts);
      INFO(ShapeText(facts.input_shape) << " " << layers << " batch " << n);
      CheckEqualsTorch(BuildLayers(layers, facts), facts, n, trial);
    }
  });
}

TEST_CASE("gradients of the models that ship equal the torch backend's, dropout included") {
  const std::string mcmahan =
      R"([{"name": "conv", "channels": 32, "kernel": 5, "padding": 2}, "relu", "max_pool",
          {"name": "conv", "channels": 64, "kernel": 5, "padding": 2}, "relu", "max_pool",
          "flatten", {"name": "linear", "features": 512}, "relu", "linear"])";
  OnEveryInstructionSet([&] {
    const DatasetFacts images = Images(32), numbers = Features(21, 4);
    // Few examples, or a maximum among millions is decided by rounding, on one side only.
    CheckEqualsTorch(Build(R"("lenet")", images), images, 3, 1);
    CheckEqualsTorch(Build(R"("cnn")", images), images, 1, 2);
    CheckEqualsTorch(BuildLayers(mcmahan, images), images, 1, 3);
    CheckEqualsTorch(BuildLayers(R"([{"name": "dropout", "p": 0.3},
                                     {"name": "conv", "channels": 6, "kernel": 5}, "relu",
                                     "max_pool", "flatten",
                                     {"name": "dropout", "p": 0}, "linear"])",
                                 Images(12)),
                     Images(12), 5, 8);
    for (const int64_t n : {1, 10, 33, 70}) {
      CheckEqualsTorch(Build(R"({"name": "mlp", "hidden": [37, 5]})", numbers), numbers, n, 4);
      CheckEqualsTorch(Build(R"("softmax")", numbers), numbers, n, 5);
      CheckEqualsTorch(Build(R"({"name": "mlp", "hidden": [8]})", Regression(3)), Regression(3), n,
                       6);
      CheckEqualsTorch(BuildLayers(R"(["flatten", {"name": "dropout", "p": 0.3}, "relu",
                                       {"name": "linear", "features": 24}, {"name": "dropout"},
                                       "linear"])",
                                   Images(4)),
                       Images(4), std::min<int64_t>(n, 64), 7);
    }
  });
}

TEST_CASE("a step on the fly is a gradient and then a step, to the bit") {
  const DatasetFacts facts = Images(16, 4);
  const Network network = BuildLayers(
      R"([{"name": "conv", "channels": 5, "kernel": 3}, "relu", "max_pool", "flatten",
          {"name": "linear", "features": 33}, "relu", {"name": "linear", "bias": false}])",
      facts);
  OnEveryInstructionSet([&] {
    for (const double momentum : {0.0, 0.9}) {
      for (const int64_t n : {7, 65}) {
        const auto one = MakeInitialized("fused", network), two = MakeInitialized("fused", network);
        const at::Tensor m = Zeros(network.parameters.size(), c10::kCPU), v = m.clone();
        for (uint64_t i = 1; i <= 3; ++i) {
          const Batch batch = RandomBatch(facts, n, i);
          const SgdStep step{0.1, momentum, 0.01, i == 1};
          Rng rng = TestRng(), same = TestRng();
          const double loss = one->Step(batch, rng, step, momentum == 0 ? at::Tensor() : m);
          CHECK(loss == two->Gradient(batch, same));
          Apply(step, two->parameters, two->gradient, v);
          CHECK(Read(one->parameters) == Read(two->parameters));
          CHECK(Read(m) == Read(v));
        }
      }
    }
  });
}

TEST_CASE("a replica's results do not depend on what it ran before") {
  const DatasetFacts facts = Images(20, 5);
  const Network network = BuildLayers(
      R"([{"name": "conv", "channels": 17, "kernel": 3, "padding": 1}, "relu",
          {"name": "conv", "channels": 16, "kernel": 3, "padding": 1, "stride": 2}, "relu",
          {"name": "conv", "channels": 16, "kernel": 5, "padding": 2}, "relu", "max_pool",
          {"name": "dropout", "p": 0.5}, "flatten", {"name": "linear", "features": 30}, "relu",
          "linear"])",
      facts);
  OnEveryInstructionSet([&] {
    const auto used = MakeInitialized("fused", network);
    Rng rng = TestRng(9);
    for (const int64_t n : {70, 1, 64, 33}) used->Gradient(RandomBatch(facts, n, 1), rng);
    used->Evaluate(RandomBatch(facts, 100, 2));
    for (const int64_t n : {5, 64, 70}) {
      const auto fresh = MakeInitialized("fused", network);
      const Batch batch = RandomBatch(facts, n, 3);
      Rng one = TestRng(), two = TestRng();
      CHECK(used->Gradient(batch, one) == fresh->Gradient(batch, two));
      CHECK(Read(used->gradient) == Read(fresh->gradient));
      CHECK(used->Evaluate(batch).loss == fresh->Evaluate(batch).loss);
    }
  });
}

TEST_CASE("a NaN in one pixel shows in the loss as it does with the torch backend") {
  const DatasetFacts facts = Images(12, 3);
  const std::vector<std::string> pools = {
      R"({"name": "conv", "channels": 3, "kernel": 1}, "max_pool")",
      R"({"name": "conv", "channels": 3, "kernel": 5}, "relu", "max_pool")",
      R"({"name": "conv", "channels": 16, "kernel": 3}, "relu", "max_pool")",
      R"({"name": "max_pool", "kernel": 3, "stride": 3})"};
  OnEveryInstructionSet([&] {
    for (const std::string& pool : pools) {
      const Network network = BuildLayers("[" + pool + R"(, "flatten", "linear"])", facts);
      const auto replica = MakeInitialized("fused", network);
      for (const int64_t pixel : {0, 1, 12, 13, 40}) {
        INFO(pool << " " << pixel);
        Batch batch = RandomBatch(facts, 2);
        batch.input_data()[pixel] = std::numeric_limits<float>::quiet_NaN();
        Rng rng = TestRng();
        CHECK(std::isnan(replica->Gradient(batch, rng)));
      }
    }
  });
}

TEST_CASE("NaN and overflow in a convolution show in the loss") {
  const DatasetFacts facts = Images(12, 3);
  const Network network = BuildLayers(
      R"([{"name": "conv", "channels": 16, "kernel": 3}, "relu", "max_pool",
          {"name": "conv", "channels": 16, "kernel": 3, "padding": 1}, "relu", "max_pool",
          "flatten", {"name": "linear", "features": 8}, "relu", "linear"])",
      facts);
  OnEveryInstructionSet([&] {
    for (const float value :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      for (const ParameterSlot& slot : network.parameters.slots()) {
        INFO(slot.name << " " << value);
        const auto replica = MakeInitialized("fused", network);
        replica->parameters.mutable_data_ptr<float>()[slot.offset] = value;
        Rng rng = TestRng();
        const double loss = replica->Gradient(RandomBatch(facts, 4), rng);
        CHECK((!std::isfinite(loss) || !std::isfinite(SquaredNorm(replica->gradient))));
      }
    }
  });
}

}  // namespace
}  // namespace flsim
