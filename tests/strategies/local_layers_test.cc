// Strategies that keep layers with the clients, on a quadratic.
#include <catch2/catch.hpp>

#include "strategies/local_parameters.h"
#include "tests/strategies/quadratic_client.h"

namespace flsim {
namespace {

using namespace quadratic;

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

}  // namespace
}  // namespace flsim
