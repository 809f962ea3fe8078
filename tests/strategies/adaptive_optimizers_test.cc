#include <algorithm>
#include <cmath>

#include "engine/core/parameters.h"
#include "tests/strategies/optimizing_server.h"

namespace flsim {
namespace {

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

}  // namespace
}  // namespace flsim
