// Personalised strategies on a quadratic with closed-form answers.
#include <catch2/catch.hpp>
#include <cmath>
#include <map>

#include "engine/core/vector_ops.h"
#include "strategies/local_parameters.h"

namespace flsim {
namespace {

const c10::Device kCpu(c10::kCPU);

at::Tensor Vector(const std::vector<float>& values) {
  at::Tensor x = Zeros(static_cast<int64_t>(values.size()), kCpu);
  std::copy(values.begin(), values.end(), x.mutable_data_ptr<float>());
  return x;
}

std::vector<float> Read(const at::Tensor& x) {
  return {x.const_data_ptr<float>(), x.const_data_ptr<float>() + x.numel()};
}

/// F_k(w) = 1/2 ||w - c||^2; an epoch is one step of plain gradient descent.
class Quadratic : public LocalTraining {
 public:
  explicit Quadratic(std::vector<float> c) : c_(std::move(c)) {}

  void Run(ClientTask& task, const LocalRun& run) override {
    runs.push_back(run);
    const at::Tensor gradient = Zeros(task.parameters.numel(), kCpu);
    for (int64_t step = 0; step < run.epochs.value_or(1); ++step) {
      BatchGradient(task.parameters, gradient);
      if (run.correct) run.correct(gradient);
      float *w = task.parameters.mutable_data_ptr<float>(), *g = gradient.mutable_data_ptr<float>();
      for (int64_t i = 0; i < gradient.numel(); ++i) {
        if (IsTrained(run, i)) w[i] -= static_cast<float>(task.lr) * g[i];
      }
    }
    if (task.buffers.numel() > 0) task.buffers.mutable_data_ptr<float>()[0] += 1;
  }
  void BatchGradient(const at::Tensor& parameters, const at::Tensor& gradient) override {
    for (int64_t i = 0; i < gradient.numel(); ++i) {
      gradient.mutable_data_ptr<float>()[i] =
          parameters.const_data_ptr<float>()[i] - c_[static_cast<size_t>(i)];
    }
  }
  at::Tensor Features(const at::Tensor& parameters) override {
    return features.at(parameters.unsafeGetTensorImpl());
  }
  const at::Tensor& Scratch(int index) override {
    at::Tensor& scratch = scratch_[index];
    if (!scratch.defined()) scratch = Vector(std::vector<float>(c_.size(), NAN));
    return scratch;
  }
  double Loss(const ClientTask&, const at::Tensor&) override { throw InternalError("not here"); }
  double FullGradient(const ClientTask&, const at::Tensor&, const at::Tensor&) override {
    throw InternalError("not here");
  }

  std::vector<LocalRun> runs;
  std::map<c10::TensorImpl*, at::Tensor> features;  ///< of the models at these vectors

 private:
  static bool IsTrained(const LocalRun& run, int64_t i) {
    if (run.trained.empty()) return true;
    for (const ParameterRange& range : run.trained) {
      if (i >= range.begin && i < range.begin + range.size) return true;
    }
    return false;
  }
  std::vector<float> c_;
  std::map<int, at::Tensor> scratch_;
};

/// Three layers of one weight or two.
ParameterLayout ThreeLayers() {
  ParameterLayout layout;
  layout.Add("block.conv.weight", {2}, "conv");
  layout.Add("block.norm.weight", {1}, "batch_norm");
  layout.Add("block.norm.bias", {1}, "batch_norm");
  layout.Add("fc.weight", {1, 2}, "linear");
  layout.Add("fc.bias", {1}, "linear");
  return layout;
}

ParameterLayout NoNorms() {
  ParameterLayout layout;
  layout.Add("conv.weight", {2}, "conv");
  layout.Add("fc.weight", {1}, "linear");
  return layout;
}

std::unique_ptr<Strategy> Make(const std::string& json, const ParameterLayout& layout,
                               const TrainingOptions& training = {}) {
  Problems problems;
  Choice<Strategy> choice;
  choice.Bind(Json::parse(json), "strategy", problems);
  problems.ThrowIfAny("test");
  return choice.Make({&layout, training});
}

/// A client of learning rate 0.1 that starts at the server's model.
struct Client {
  Client(const Strategy& strategy, LocalTraining& local, const std::vector<float>& w)
      : task((server.parameters = Vector(w), server), local) {
    task.parameters = Vector(w);
    task.buffers = Zeros(2, kCpu);
    task.round = 1;
    task.lr = 0.1;
    for (const int64_t size : strategy.ClientState()) task.state.push_back(Zeros(size, kCpu));
  }
  /// A round as the engine has it.
  Update Round(const Strategy& strategy) {
    Copy(task.parameters, server.parameters);
    strategy.Start(task);
    strategy.Train(task);
    Update update;
    update.delta = Zeros(task.parameters.numel(), kCpu);
    update.squared_norm = Subtract(update.delta, server.parameters, task.parameters);
    strategy.Finish(task, update);
    task.first_time = false;
    return update;
  }
  /// The model that the client is evaluated with.
  std::vector<float> Model(const Strategy& strategy) {
    Copy(task.parameters, server.parameters);
    strategy.Personalize(task);
    return Read(task.parameters);
  }

  ServerState server;
  ClientTask task;
};

TEST_CASE("the local part is the last layer, or what is named") {
  const ParameterLayout layout = ThreeLayers();
  const auto ranges = [&](std::vector<std::string> names) {
    LocalOptions options;
    options.local = std::move(names);
    std::vector<std::pair<int64_t, int64_t>> out;
    for (const ParameterRange& r : LocalParameters(layout, options).local) {
      out.emplace_back(r.begin, r.size);
    }
    return out;
  };
  using Ranges = std::vector<std::pair<int64_t, int64_t>>;
  CHECK(ranges({}) == Ranges{{4, 3}});
  CHECK(ranges({"fc"}) == Ranges{{4, 3}});
  CHECK(ranges({"block"}) == Ranges{{0, 4}});
  CHECK(ranges({"block.conv"}) == Ranges{{0, 2}});
  CHECK(ranges({"fc.bias", "block.norm.weight"}) == Ranges{{2, 1}, {6, 1}});
  CHECK(ranges({"block.norm", "fc.weight"}) == Ranges{{2, 4}});
}

TEST_CASE("a local part that does not exist, or is all there is, is refused") {
  const ParameterLayout layout = ThreeLayers();
  CHECK_THROWS_WITH(Make(R"({"name": "fedper", "local": ["fc", "f", "block.con"]})", layout),
                    "strategy.local: the model has no layer or tensor 'f', 'block.con'; layers "
                    "with parameters: block.conv, block.norm, fc");
  const std::string all =
      "strategy.local: all of the model's parameters would stay with the clients and none would be "
      "shared; leave a layer out, or use a model of more layers";
  CHECK_THROWS_WITH(Make(R"({"name": "fedrep", "local": ["fc", "block"]})", layout), all);
  ParameterLayout one;
  one.Add("linear.weight", {1, 2}, "linear");
  one.Add("linear.bias", {1}, "linear");
  for (const char* name : {"fedper", "fedrep", "fedbabu"}) {
    CHECK_THROWS_WITH(Make(R"({"name": ")" + std::string(name) + R"("})", one), all);
  }
}

TEST_CASE("fedper's local part stays with the client and out of the update") {
  const ParameterLayout layout = NoNorms();
  const auto strategy = Make(R"("fedper")", layout);
  Quadratic local({1, 2, 3});
  Client client(*strategy, local, {0, 0, 0});
  CHECK(strategy->ClientState() == std::vector<int64_t>{1});
  CHECK(client.Model(*strategy) == std::vector<float>{0, 0, 0});  // never sampled: the server's
  const Update update = client.Round(*strategy);
  CHECK(Read(update.delta) == std::vector<float>{-0.1f, -0.2f, 0});
  CHECK(update.squared_norm == Approx(0.05));
  CHECK(Read(client.task.state[0])[0] == Approx(0.3f));
  // The next round starts from the server's base and the client's own head.
  client.server.parameters = Vector({5, 6, 7});
  client.Round(*strategy);
  CHECK(Read(client.task.state[0])[0] == Approx(0.3 + 0.1 * (3 - 0.3)));
  const auto model = client.Model(*strategy);
  CHECK(model == std::vector<float>{5, 6, Read(client.task.state[0])[0]});
}

/// Halves the model, as a weight decay does, besides the step.
class Halving : public ServerOptimizer {
 public:
  Halving() : ServerOptimizer({}) {}
  void Step(ServerState& state, const at::Tensor& delta) const override {
    AddScaled(state.parameters, -1, delta);
    Scale(state.parameters, 0.5);
  }
};

TEST_CASE("the server's local part keeps its bits whatever the aggregate and the optimizer") {
  const ParameterLayout layout = ThreeLayers();
  for (const char* json : {R"({"name": "fedper", "local": "block.norm"})",
                           R"({"name": "fedrep", "local": "block.norm"})",
                           R"({"name": "fedbabu", "local": "block.norm"})", R"("fedbn")"}) {
    INFO(json);
    const auto strategy = Make(json, layout);
    ServerState state;
    state.parameters = Vector({1, 2, 3, 4, 5, 6, 7});
    Aggregate aggregate;
    aggregate.delta = Vector({1, 1, 1, 1, 1, 1, 1});
    strategy->UpdateServer(state, aggregate, Halving());
    CHECK(Read(state.parameters) == std::vector<float>{0, 0.5f, 3, 4, 2, 2.5f, 3});
  }
}

TEST_CASE("fedrep trains the head under a frozen body and then the body under a frozen head") {
  const ParameterLayout layout = NoNorms();
  const auto strategy = Make(R"({"name": "fedrep", "head_epochs": 3})", layout);
  Quadratic local({1, 2, 3});
  Client client(*strategy, local, {0, 0, 0});
  const Update update = client.Round(*strategy);
  REQUIRE(local.runs.size() == 2);
  CHECK(local.runs[0].epochs == 3);
  CHECK(local.runs[0].trained.at(0).begin == 2);
  CHECK_FALSE(local.runs[1].epochs.has_value());
  CHECK(local.runs[1].trained.at(0).size == 2);
  CHECK(std::string(local.runs[0].purpose) != local.runs[1].purpose);
  CHECK(Read(update.delta) == std::vector<float>{-0.1f, -0.2f, 0});
  CHECK(Read(client.task.state[0])[0] == Approx(3 * (1 - std::pow(0.9, 3))));
}

TEST_CASE("fedbabu never trains the head and keeps nothing") {
  const ParameterLayout layout = NoNorms();
  const auto strategy = Make(R"("fedbabu")", layout);
  Quadratic local({1, 2, 3});
  Client client(*strategy, local, {0, 0, 0.7f});
  CHECK(Read(client.Round(*strategy).delta) == std::vector<float>{-0.1f, -0.2f, 0});
  CHECK(strategy->ClientState().empty());
  CHECK(client.Model(*strategy) == std::vector<float>{0, 0, 0.7f});
  CHECK(strategy->Needs().fine_tune_epochs == 5);
}

TEST_CASE("fedbn keeps norm layers and needs some") {
  const ParameterLayout layout = ThreeLayers();
  const auto strategy = Make(R"("fedbn")", layout);
  CHECK(strategy->Needs().local_buffers);
  Quadratic local({1, 1, 1, 1, 1, 1, 1});
  Client client(*strategy, local, {0, 0, 0, 0, 0, 0, 0});
  CHECK(Read(client.Round(*strategy).delta) ==
        std::vector<float>{-0.1f, -0.1f, 0, 0, -0.1f, -0.1f, -0.1f});
  CHECK(client.Model(*strategy) == std::vector<float>{0, 0, 0.1f, 0.1f, 0, 0, 0});
  const ParameterLayout none = NoNorms();
  CHECK_THROWS_WITH(Make(R"("fedbn")", none),
                    "model: fedbn keeps norm layers with the clients and this model has none; use "
                    "one with batch_norm or group_norm layers, or strategy fedavg");
}

TEST_CASE("ditto's personal model goes geometrically to the middle of optimum and global model") {
  // v <- v - eta ((v - c) + lambda (v - w)): the distance to (c + lambda w)/(1 + lambda) shrinks by
  // 1 - eta (1 + lambda) a step.
  const ParameterLayout layout = NoNorms();
  const std::vector<float> c = {1, -2, 3}, first = {0, 1, 2}, second = {4, 0, -1};
  for (const double lambda : {0.0, 0.5, 3.0}) {
    INFO(lambda);
    const auto strategy =
        Make(R"({"name": "ditto", "epochs": 4, "lambda": )" + std::to_string(lambda) + "}", layout);
    const auto fedavg = Make(R"("fedavg")", layout);
    Quadratic local(c), plain_local(c);
    Client client(*strategy, local, first), plain(*fedavg, plain_local, first);
    CHECK(client.Model(*strategy) == first);
    std::vector<double> v(first.begin(), first.end());
    for (const auto& w : {first, second}) {
      client.server.parameters = Vector(w);
      plain.server.parameters = Vector(w);
      CHECK(Read(client.Round(*strategy).delta) == Read(plain.Round(*fedavg).delta));
      const auto model = client.Model(*strategy);
      for (size_t i = 0; i < 3; ++i) {
        const double middle = (c[i] + lambda * w[i]) / (1 + lambda);
        v[i] = middle + std::pow(1 - 0.1 * (1 + lambda), 4) * (v[i] - middle);
        CHECK(model[i] == Approx(v[i]).epsilon(1e-5).margin(1e-6));
      }
    }
    CHECK(local.runs[0].counted);
    CHECK_FALSE(local.runs[1].counted);
    CHECK(std::string(local.runs[1].purpose) != "");
  }
}

TEST_CASE("ditto's two models have running statistics of their own") {
  const ParameterLayout layout = ThreeLayers();
  const auto strategy = Make(R"("ditto")", layout);
  CHECK(strategy->ClientState() == std::vector<int64_t>{7, 2});
  Quadratic local(std::vector<float>(7, 1));  // counts its runs in the first buffer
  Client client(*strategy, local, std::vector<float>(7, 0));
  client.task.buffers = Vector({10, 0});
  client.Round(*strategy);
  CHECK(Read(client.task.buffers) == std::vector<float>{11, 0});
  client.task.buffers = Vector({20, 0});
  client.Round(*strategy);
  CHECK(Read(client.task.buffers) == std::vector<float>{21, 0});
  client.Model(*strategy);
  CHECK(Read(client.task.buffers) == std::vector<float>{12, 0});
}

TEST_CASE("apfl's steps are those of its paper") {
  const ParameterLayout layout = NoNorms();
  const std::vector<double> c = {1, -2, 3}, w0 = {0, 1, 2}, sent = {4, 0, -1};
  for (const bool adaptive : {false, true}) {
    INFO(adaptive);
    const auto strategy = Make(std::string(R"({"name": "apfl", "alpha": 0.25, "adaptive": )") +
                                   (adaptive ? "true}" : "false}"),
                               layout);
    Quadratic local({1, -2, 3});
    Client client(*strategy, local, {0, 1, 2});
    // The first round starts with v = w, so that alpha has no slope; the second does not.
    std::vector<double> v = w0;
    double alpha = 0.25;
    for (const auto& global : {w0, sent}) {
      double slope = 0;
      for (size_t i = 0; i < 3; ++i) {
        const double vbar = alpha * v[i] + (1 - alpha) * global[i];
        slope += (v[i] - global[i]) * (vbar - c[i]);
        v[i] -= 0.1 * alpha * (vbar - c[i]);
      }
      if (adaptive) alpha = std::min(1.0, std::max(0.0, alpha - 0.1 * slope));
      client.server.parameters = Vector({global.begin(), global.end()});
      const auto delta = Read(client.Round(*strategy).delta);
      const auto model = client.Model(*strategy);
      for (size_t i = 0; i < 3; ++i) {
        CHECK(delta[i] == Approx(0.1 * (global[i] - c[i])).margin(1e-6));
        CHECK(model[i] == Approx(alpha * v[i] + (1 - alpha) * global[i]).margin(1e-5));
      }
    }
    CHECK((alpha != 0.25) == adaptive);
  }
}

TEST_CASE("apfl's personal model has the momentum, weight decay and clipping of training") {
  const ParameterLayout layout = NoNorms();
  TrainingOptions training;
  training.momentum = 0.9;
  training.weight_decay = 0.5;
  training.clip_norm = 1;
  const auto strategy =
      Make(R"({"name": "apfl", "alpha": 1, "adaptive": false})", layout, training);
  Quadratic local({2, 0, 0});
  Client client(*strategy, local, {0, 0, 0});
  double v = 0, m = 0;
  for (int round = 0; round < 2; ++round) {
    client.Round(*strategy);
    m = std::max(-1.0, v - 2) + 0.5 * v;  // momentum starts afresh each round
    v -= 0.1 * m;
    CHECK(client.Model(*strategy)[0] == Approx(v));
  }
}

TEST_CASE("apfl refuses what can't be mixed") {
  const ParameterLayout norms = ThreeLayers(), none = NoNorms();
  TrainingOptions adam;
  adam.optimizer = "adam";
  CHECK_THROWS_WITH(
      Make(R"("apfl")", none, adam),
      "training.optimizer: apfl needs sgd: its two models take steps of sgd; got adam");
  CHECK_THROWS_WITH(
      Make(R"("apfl")", norms),
      "model: apfl mixes the parameters of two models, and there is no mixture of the "
      "running statistics of batch_norm; use group_norm");
}

double Cosine(const double* a, const double* b) {
  return (a[0] * b[0] + a[1] * b[1]) / std::hypot(a[0], a[1]) / std::hypot(b[0], b[1]);
}

TEST_CASE("moon's term is the contrastive loss of its paper, from a client's second round on") {
  const ParameterLayout layout = NoNorms();
  const auto strategy = Make(R"({"name": "moon", "mu": 2, "temperature": 0.5})", layout);
  CHECK(strategy->Needs().features);
  CHECK_FALSE(Make(R"({"name": "moon", "mu": 0})", layout)->Needs().features);
  Quadratic local({1, 2, 3});
  Client client(*strategy, local, {0, 0, 0});
  const at::Tensor z = Vector({1, 2, -3, 0.5f}).view({2, 2});
  CHECK_FALSE(strategy->FeatureLoss(client.task, z).defined());
  client.Round(*strategy);
  CHECK(Read(client.task.state[0]) == Read(client.task.parameters));

  local.features[client.server.parameters.unsafeGetTensorImpl()] =
      Vector({2, 1, 1, 1}).view({2, 2});
  local.features[client.task.state[0].unsafeGetTensorImpl()] = Vector({0, -1, -3, 1}).view({2, 2});
  const double rows[2][2] = {{1, 2}, {-3, 0.5}}, glob[2][2] = {{2, 1}, {1, 1}},
               prev[2][2] = {{0, -1}, {-3, 1}};
  double expected = 0;
  for (int i = 0; i < 2; ++i) {
    const double g = std::exp(Cosine(rows[i], glob[i]) / 0.5);
    const double p = std::exp(Cosine(rows[i], prev[i]) / 0.5);
    expected += 2 * -std::log(g / (g + p)) / 2;
  }
  CHECK(strategy->FeatureLoss(client.task, z).item<float>() == Approx(expected).epsilon(1e-5));
}

TEST_CASE("moon needs a layer below the last") {
  ParameterLayout one;
  one.Add("linear.weight", {1, 2}, "linear");
  one.Add("linear.bias", {1}, "linear");
  CHECK_THROWS_WITH(
      Make(R"("moon")", one),
      "model: moon contrasts what the layers below the last one learn; this model has "
      "one layer with parameters");
}

}  // namespace
}  // namespace flsim
