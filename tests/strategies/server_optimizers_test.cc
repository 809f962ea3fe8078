#include <algorithm>
#include <cmath>

#include "engine/core/parameters.h"
#include "tests/strategies/optimizing_server.h"

namespace flsim {
namespace {

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
