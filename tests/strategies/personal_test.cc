// Strategies with a second model for each client, on a quadratic with closed-form answers.
#include <catch2/catch.hpp>

#include "tests/strategies/quadratic_client.h"

namespace flsim {
namespace {

using namespace quadratic;

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
  const auto strategy = Make(R"("ditto")", layout, {}, 2);
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
      Make(R"("apfl")", norms, {}, 2),
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
