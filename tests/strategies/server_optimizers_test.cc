#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "engine/core/parameters.h"
#include "engine/core/rng.h"
#include "engine/core/vector_ops.h"
#include "strategies/server_optimizer.h"
#include "tests/strategies/component.h"

namespace flsim {
namespace {

using Values = std::vector<float>;

at::Tensor Vector(const Values& values) {
  at::Tensor tensor = Uninitialized(static_cast<int64_t>(values.size()), c10::kCPU);
  std::copy(values.begin(), values.end(), tensor.mutable_data_ptr<float>());
  return tensor;
}

Values Read(const at::Tensor& tensor) {
  const float* data = tensor.const_data_ptr<float>();
  return {data, data + tensor.numel()};
}

Values Random(size_t n, uint64_t stream) {
  Rng rng(1, {"test", stream});
  Values values(n);
  for (float& value : values) value = static_cast<float>(rng.Normal());
  return values;
}

/// A server whose model starts at `start` and that steps along aggregates.
struct Server {
  Server(const Json& options, const Values& start, const ServerOptimizer::Context& context = {})
      : optimizer(BuildComponent<ServerOptimizer>(options, context)) {
    state.parameters = Vector(start);
  }
  /// One round; the model after it.
  Values Step(const Values& delta) {
    optimizer->Step(state, Vector(delta));
    ++state.round;
    return Read(state.parameters);
  }
  Values Own(const std::string& name) const {
    return Read(state.tensors.at("server_optimizer." + name));
  }
  std::unique_ptr<ServerOptimizer> optimizer;
  ServerState state;
};

Approx Near(double value) { return Approx(value).epsilon(1e-6).margin(1e-7); }

const std::vector<std::string> kAdaptive = {"adagrad", "adam", "adamw", "lamb", "yogi"};

TEST_CASE("server sgd of learning rate 1 arrives at the mean of the models") {
  Server server("sgd", {1, -2, 0.5f});
  CHECK(server.Step({0.25f, -1, 0}) == Values{0.75f, -1, 0.5f});
  CHECK(server.Step({0.25f, -1, 0}) == Values{0.5f, 0, 0.5f});
  CHECK(server.state.tensors.empty());
}

TEST_CASE("server momentum adds up earlier aggregates, with nesterov ahead of them") {
  Server momentum({{"name", "sgd"}, {"lr", 0.5}, {"momentum", 0.5}}, {0});
  CHECK(momentum.Step({1}) == Values{-0.5f});     // m = 1
  CHECK(momentum.Step({1}) == Values{-1.25f});    // m = 1.5
  CHECK(momentum.Step({-2}) == Values{-0.625f});  // m = -1.25
  Server ahead({{"name", "sgd"}, {"lr", 0.5}, {"momentum", 0.5}, {"nesterov", true}}, {0});
  CHECK(ahead.Step({1}) == Values{-0.75f});     // 1 + 0.5
  CHECK(ahead.Step({1}) == Values{-1.625f});    // 1 + 0.75
  CHECK(ahead.Step({-2}) == Values{-0.3125f});  // -2 - 0.625
}

TEST_CASE("server sgd's momentum is PyTorch's on long vectors too") {
  const Values start = Random(1027, 1);
  Server server({{"name", "sgd"}, {"lr", 0.1}, {"momentum", 0.9}}, start);
  at::Tensor w = Vector(start), m = Zeros(1027, c10::kCPU);
  for (uint64_t t = 0; t < 4; ++t) {
    Apply(SgdStep{0.1, 0.9, 0, t == 0}, w, Vector(Random(1027, 2 + t)), m);
    CHECK(server.Step(Random(1027, 2 + t)) == Read(w));
  }
}

TEST_CASE("a server optimizer's learning rate follows its schedule") {
  const auto schedule = BuildComponent<Schedule>({{"name", "exponential"}, {"factor", 0.5}});
  for (const std::string& name : Kinds().at("server_optimizer").names()) {
    INFO(name);
    const Values start = {4, -2}, delta = {1, -0.5f};
    // Round 3 of a schedule of 1, 0.5, 0.25 is a round of a quarter of the learning rate.
    Server scheduled({{"name", name}, {"lr", 0.5}}, start, {schedule.get()});
    scheduled.state.round = 2;
    Server quarter({{"name", name}, {"lr", 0.125}}, start);
    quarter.state.round = 2;
    CHECK(scheduled.Step(delta) == quarter.Step(delta));
    CHECK(Read(scheduled.state.parameters) != start);
  }
}

TEST_CASE("adam without bias correction takes the steps of Algorithm 2") {
  Server server({{"name", "adam"}, {"lr", 0.1}, {"beta1", 0.5}, {"beta2", 0.75}, {"tau", 0.25}},
                {0, 1});
  // m = 1, v = 1; for the second element nothing moves.
  double w = -0.1 * 1 / (1 + 0.25);
  const Values first = server.Step({2, 0});
  CHECK(first[0] == Near(w));
  CHECK(first[1] == 1);
  // m = 0.5 - 1, v = 0.75 + 1
  w -= 0.1 * -0.5 / (std::sqrt(1.75) + 0.25);
  CHECK(server.Step({-2, 0})[0] == Near(w));
  CHECK(server.Own("m") == Values{-0.5f, 0});
  CHECK(server.Own("v") == Values{1.75f, 0});
}

TEST_CASE("adam with Kingma and Ba's correction moves by lr g / (|g| + tau) along a constant g") {
  Server server({{"name", "adam"}, {"bias_correction", "kingma"}, {"lr", 0.1}, {"tau", 0.01}},
                {1, 1, 1});
  // Each step rounds a number of up to 5 to float32.
  for (int t = 1; t <= 20; ++t) {
    const Values w = server.Step({0.5f, -2, 0.01f});
    CHECK(w[0] == Approx(1 - t * 0.1 * 0.5 / 0.51).margin(t * 3e-7));
    CHECK(w[1] == Approx(1 + t * 0.1 * 2 / 2.01).margin(t * 3e-7));
    CHECK(w[2] == Approx(1 - t * 0.1 * 0.01 / 0.02).margin(t * 3e-7));
  }
}

TEST_CASE("adam with Kingma and Ba's correction is the local optimizer adam") {
  const Values start = Random(100, 1);
  Server server({{"name", "adam"}, {"bias_correction", "kingma"}, {"lr", 0.1}, {"tau", 1e-3}},
                start);
  at::Tensor w = Vector(start), m = Zeros(100, c10::kCPU), v = m.clone();
  for (uint64_t t = 1; t <= 10; ++t) {
    const Values delta = Random(100, 1 + t);
    Apply(AdamStep{0.1, 0.9, 0.99, 1e-3, 0, static_cast<int64_t>(t)}, w, Vector(delta), m, v);
    const Values got = server.Step(delta), expected = Read(w);
    for (size_t i = 0; i < got.size(); ++i) CHECK(got[i] == Approx(expected[i]).margin(2e-6));
  }
}

TEST_CASE("Kingma and Ba's correction counts steps, not rounds") {
  const Json adam = {{"name", "adam"}, {"bias_correction", "kingma"}};
  for (const Json& options : {adam, Json("adamw"), Json("lamb")}) {
    Server prompt(options, {1, 2}), late(options, {1, 2});
    late.state.round = 5;  // of which none had an aggregate
    CHECK(prompt.Step({1, -3}) == late.Step({1, -3}));
    CHECK(prompt.Step({2, 1}) == late.Step({2, 1}));
    CHECK(prompt.Own("steps") == Values{2});
  }
}

TEST_CASE("adam as Flower corrects it has the exponent round + 1 and an uncorrected tau") {
  const double beta1 = 0.5, beta2 = 0.75;
  Server server({{"name", "adam"},
                 {"bias_correction", "flower"},
                 {"lr", 0.1},
                 {"beta1", beta1},
                 {"beta2", beta2},
                 {"tau", 0.25}},
                {0});
  double w = 0, m = 0, v = 0;
  const std::vector<double> deltas = {2, -1, 0.5, 4};
  for (size_t i = 0; i < deltas.size(); ++i) {
    const double exponent = static_cast<double>(i) + 2;  // the first round is 1
    m = beta1 * m + (1 - beta1) * deltas[i];
    v = beta2 * v + (1 - beta2) * deltas[i] * deltas[i];
    w -= 0.1 * std::sqrt(1 - std::pow(beta2, exponent)) / (1 - std::pow(beta1, exponent)) * m /
         (std::sqrt(v) + 0.25);
    CHECK(server.Step({static_cast<float>(deltas[i])})[0] == Near(w));
  }
}

TEST_CASE("yogi moves v by (1 - beta2) delta^2 towards delta^2, and not where they are equal") {
  Server server({{"name", "yogi"},
                 {"lr", 0.1},
                 {"beta1", 0.5},
                 {"beta2", 0.75},
                 {"tau", 0.25},
                 {"initial_accumulator", 4}},
                {0, 0, 0});
  const Values w = server.Step({4, 1, 2});
  CHECK(server.Own("v") == Values{4 + 0.25f * 16, 4 - 0.25f, 4});
  CHECK(server.Own("m") == Values{2, 0.5f, 1});
  CHECK(w[0] == Near(-0.1 * 2 / (std::sqrt(8.0) + 0.25)));
  CHECK(w[1] == Near(-0.1 * 0.5 / (std::sqrt(3.75) + 0.25)));
  CHECK(w[2] == Near(-0.1 * 1 / (2 + 0.25)));
}

TEST_CASE("yogi's first step from 0 is adam's; afterwards its v forgets more slowly") {
  const Values start = Random(50, 1), first = Random(50, 2);
  Server adam("adam", start), yogi("yogi", start);
  CHECK(adam.Step(first) == yogi.Step(first));
  const Values v = yogi.Own("v");
  CHECK(v == adam.Own("v"));
  // Without a further aggregate adam's v decays by beta2, yogi's stays.
  CHECK(adam.Step(Values(50, 0)) != yogi.Step(Values(50, 0)));
  CHECK(yogi.Own("v") == v);
  for (size_t i = 0; i < 50; ++i) CHECK(adam.Own("v")[i] == Near(0.99 * v[i]));
}

TEST_CASE("with beta2 = 0, yogi is adam until v exceeds delta^2") {
  Server yogi({{"name", "yogi"}, {"beta2", 0}}, {0}), adam({{"name", "adam"}, {"beta2", 0}}, {0});
  CHECK(yogi.Step({3}) == adam.Step({3}));
  CHECK(yogi.Step({3}) == adam.Step({3}));  // v = delta^2: sign 0
  yogi.Step({2});
  adam.Step({2});
  CHECK(yogi.Own("v") == Values{9 - 4});
  CHECK(adam.Own("v") == Values{4});
}

TEST_CASE("adagrad's t-th step along a constant g is lr g / (sqrt(t) |g| + tau)") {
  Server server({{"name", "adagrad"}, {"lr", 0.1}, {"tau", 0.25}}, {0, 0});
  double w0 = 0, w1 = 0;
  for (int t = 1; t <= 10; ++t) {
    w0 -= 0.1 * 2 / (std::sqrt(t) * 2 + 0.25);
    w1 += 0.1 * 0.5 / (std::sqrt(t) * 0.5 + 0.25);
    const Values w = server.Step({2, -0.5f});
    CHECK(w[0] == Near(w0));
    CHECK(w[1] == Near(w1));
  }
}

TEST_CASE("adagrad's beta1 takes the mean of the aggregates") {
  Server server({{"name", "adagrad"}, {"lr", 1}, {"beta1", 0.5}, {"tau", 1}}, {0});
  CHECK(server.Step({2})[0] == Near(-1.0 / 3));                               // m 1, v 4
  CHECK(server.Step({2})[0] == Near(-1.0 / 3 - 1.5 / (std::sqrt(8.0) + 1)));  // m 1.5, v 8
}

TEST_CASE("the initial accumulator is what v starts from; tau^2 is the paper's least") {
  for (const char* name : {"adagrad", "adam", "yogi"}) {
    INFO(name);
    const double tau = 0.5, beta1 = std::string(name) == "adagrad" ? 0 : 0.9;
    Server server({{"name", name}, {"lr", 0.1}, {"tau", tau}, {"initial_accumulator", tau * tau}},
                  {0, 1});
    const Values w = server.Step({0.5f, 0});  // delta^2 = tau^2: v stays, adagrad's doubles
    const double v = std::string(name) == "adagrad" ? 0.5 : 0.25;
    CHECK(w[0] == Near(-0.1 * (1 - beta1) * 0.5 / (std::sqrt(v) + tau)));
    CHECK(w[1] == 1);
  }
}

TEST_CASE("with beta1 = beta2 = 0 and a small tau, adam and yogi's first step go by signs") {
  for (const char* name : {"adam", "yogi"}) {
    Server server({{"name", name}, {"lr", 0.5}, {"beta1", 0}, {"beta2", 0}, {"tau", 1e-12}},
                  {0, 0, 0});
    CHECK(server.Step({3, -1e-3f, 0}) == Values{-0.5f, 0.5f, 0});
  }
}

TEST_CASE("with beta1 = 0 and a large tau, the adaptive optimizers are sgd of lr / tau") {
  const Values start = Random(20, 1);
  for (const char* name : {"adagrad", "adam", "yogi"}) {
    INFO(name);
    Server adaptive({{"name", name}, {"lr", 0.3e8}, {"beta1", 0}, {"tau", 1e8}}, start);
    Server sgd({{"name", "sgd"}, {"lr", 0.3}}, start);
    for (uint64_t t = 2; t < 7; ++t) {
      const Values got = adaptive.Step(Random(20, t)), expected = sgd.Step(Random(20, t));
      for (size_t i = 0; i < got.size(); ++i) CHECK(got[i] == Approx(expected[i]).margin(1e-6));
    }
  }
}

TEST_CASE("adamw without decay is adam with Kingma and Ba's correction, to the bit") {
  const Values start = Random(100, 1);
  Server adamw({{"name", "adamw"}, {"weight_decay", 0}}, start);
  Server adam({{"name", "adam"}, {"bias_correction", "kingma"}}, start);
  for (uint64_t t = 2; t < 12; ++t) CHECK(adamw.Step(Random(100, t)) == adam.Step(Random(100, t)));
}

TEST_CASE("adamw's decay shrinks by lr times weight_decay and stays out of the moments") {
  Server idle({{"name", "adamw"}, {"lr", 0.5}, {"weight_decay", 0.25}}, {8, -16});
  CHECK(idle.Step({0, 0}) == Values{7, -14});
  CHECK(idle.Own("m") == Values{0, 0});
  // Along a constant g: w = w - lr (g / (|g| + tau) + decay w), PyTorch's (1 - lr decay) w - ...
  Server server({{"name", "adamw"}, {"lr", 0.1}, {"weight_decay", 0.5}, {"tau", 0.5}}, {2});
  double w = 2;
  for (int t = 1; t <= 10; ++t) {
    w = (1 - 0.1 * 0.5) * w - 0.1 * 2 / 2.5;
    CHECK(server.Step({2})[0] == Near(w));
  }
}

double Norm(const Values& x, size_t begin, size_t end) {
  double squared = 0;
  for (size_t i = begin; i < end; ++i) squared += static_cast<double>(x[i]) * x[i];
  return std::sqrt(squared);
}

TEST_CASE("lamb moves each tensor by lr times its length") {
  ParameterLayout layout;
  layout.Add("a.weight", {3, 7});
  layout.Add("a.bias", {2});
  layout.Add("b.weight", {100});
  Values start = Random(123, 1);
  for (size_t i = 0; i < 21; ++i) start[i] *= 100;
  start[21] = start[22] = 0;
  ServerOptimizer::Context context;
  context.parameters = &layout;
  Server server({{"name", "lamb"}, {"lr", 0.01}}, start, context);
  Values before = start;
  for (uint64_t t = 2; t < 6; ++t) {
    const Values after = server.Step(Random(123, t));
    Values moved(123);
    for (size_t i = 0; i < 123; ++i) moved[i] = after[i] - before[i];
    CHECK(Norm(moved, 0, 21) == Approx(0.01 * Norm(before, 0, 21)).epsilon(1e-4));
    CHECK(Norm(moved, 23, 123) == Approx(0.01 * Norm(before, 23, 123)).epsilon(1e-4));
    // A tensor of length 0 takes Adam's step, here about lr in each element.
    if (t == 2) CHECK(Norm(moved, 21, 23) == Approx(0.01 * std::sqrt(2)).epsilon(1e-2));
    before = after;
  }
}

TEST_CASE("lamb takes the steps of its Algorithm 2") {
  const double lr = 0.1, beta1 = 0.5, beta2 = 0.75, tau = 0.25, decay = 0.5;
  // Without a layout the model is one tensor; more elements than one vector of lanes.
  Server server({{"name", "lamb"},
                 {"lr", lr},
                 {"beta1", beta1},
                 {"beta2", beta2},
                 {"tau", tau},
                 {"weight_decay", decay}},
                Random(11, 1));
  std::vector<double> x(11), m(11), v(11), u(11);
  const Values start = Random(11, 1);
  std::copy(start.begin(), start.end(), x.begin());
  for (int t = 1; t <= 5; ++t) {
    const Values g = Random(11, static_cast<uint64_t>(t) + 1);
    double x_squared = 0, u_squared = 0;
    for (size_t i = 0; i < 11; ++i) {
      m[i] = beta1 * m[i] + (1 - beta1) * g[i];
      v[i] = beta2 * v[i] + (1 - beta2) * g[i] * g[i];
      const double m_hat = m[i] / (1 - std::pow(beta1, t));
      const double v_hat = v[i] / (1 - std::pow(beta2, t));
      u[i] = m_hat / (std::sqrt(v_hat) + tau) + decay * x[i];
      x_squared += x[i] * x[i];
      u_squared += u[i] * u[i];
    }
    const Values got = server.Step(g);
    for (size_t i = 0; i < 11; ++i) {
      x[i] -= lr * std::sqrt(x_squared / u_squared) * u[i];
      CHECK(got[i] == Approx(x[i]).epsilon(1e-5).margin(1e-6));
    }
  }
}

TEST_CASE("adaptive optimizers treat each element as if it were alone, whatever the length") {
  const size_t n = 1027;
  const Values start = Random(n, 1), first = Random(n, 2), second = Random(n, 3);
  for (const char* name : {"adagrad", "adam", "adamw", "yogi"}) {
    INFO(name);
    Server all(name, start);
    all.Step(first);
    const Values got = all.Step(second);
    for (size_t i = 0; i < n; ++i) {
      Server alone(name, {start[i]});
      alone.Step({first[i]});
      REQUIRE(alone.Step({second[i]})[0] == got[i]);
    }
  }
}

TEST_CASE("a server optimizer's state is in the server's: built anew it goes on to the bit") {
  for (const std::string& name : Kinds().at("server_optimizer").names()) {
    INFO(name);
    Json options = {{"name", name}};
    if (name == "sgd") options["momentum"] = 0.9;
    if (name == "adam") options["bias_correction"] = "kingma";
    Server through(options, Random(33, 1)), resumed(options, Random(33, 1));
    for (uint64_t t = 2; t < 10; ++t) {
      const Values delta = Random(33, t);
      resumed.optimizer = BuildComponent<ServerOptimizer>(options);
      CHECK(through.Step(delta) == resumed.Step(delta));
    }
    for (const auto& [key, tensor] : through.state.tensors) {
      CHECK(key.find("server_optimizer.") == 0);
      CHECK((tensor.dim() == 1 && tensor.scalar_type() == at::kFloat));
    }
  }
}

TEST_CASE("a server optimizer leaves the aggregate as it is, and a model without one") {
  for (const std::string& name : Kinds().at("server_optimizer").names()) {
    INFO(name);
    Json options = {{"name", name}};
    if (name == "adamw" || name == "lamb") options["weight_decay"] = 0;
    Server server(options, {1, -2, 0});
    const at::Tensor nothing = Zeros(3, c10::kCPU), delta = Vector({1, 2, -3});
    server.optimizer->Step(server.state, nothing);
    CHECK(Read(server.state.parameters) == Values{1, -2, 0});
    server.optimizer->Step(server.state, delta);
    CHECK(Read(server.state.parameters) != Values{1, -2, 0});
    CHECK(Read(delta) == Values{1, 2, -3});
  }
}

TEST_CASE("the adaptive optimizers descend a quadratic to its minimum") {
  // The gradient of |w - (1, -1)|^2 / 2 is the aggregate.
  for (const std::string& name : kAdaptive) {
    INFO(name);
    Json options = {{"name", name}, {"lr", 0.05}};
    if (name == "adagrad") options["lr"] = 0.5;
    if (name == "adamw" || name == "lamb") options["weight_decay"] = 0;
    if (name == "lamb") options["lr"] = 0.002;  // its steps do not shrink with the gradient
    Server server(options, {3, 3});
    Values w = {3, 3};
    for (int t = 0; t < 3000; ++t) w = server.Step({w[0] - 1, w[1] + 1});
    CHECK(w[0] == Approx(1).margin(0.02));
    CHECK(w[1] == Approx(-1).margin(0.02));
  }
}

TEST_CASE("options of server optimizers that make no sense are refused") {
  for (const char* correction : {"kingma", "flower"}) {
    CHECK(WhyRefused<ServerOptimizer>(
              {{"name", "adam"}, {"bias_correction", correction}, {"initial_accumulator", 0.1}}) ==
          "test.json has 1 problem\n  server_optimizer.initial_accumulator: must be 0 with "
          "bias_correction, which takes v to start from 0");
  }
  CHECK(WhyRefused<ServerOptimizer>({{"name", "adam"}, {"bias_correction", "yes"}}) ==
        "test.json has 1 problem\n  server_optimizer.bias_correction: must be one of none, kingma, "
        "flower; got \"yes\"");
  CHECK(WhyRefused<ServerOptimizer>({{"name", "yogi"}, {"beta2", 1}}) ==
        "test.json has 1 problem\n  server_optimizer.beta2: must be less than 1, got 1");
  CHECK(WhyRefused<ServerOptimizer>({{"name", "sgd"}, {"nesterov", true}}) ==
        "test.json has 1 problem\n  server_optimizer.nesterov: needs momentum above 0");
}

}  // namespace
}  // namespace flsim
