#include <catch2/catch.hpp>

#include "tests/strategies/quadratic_client.h"

namespace flsim::quadratic {
namespace {

TEST_CASE("a strategy that says it leaves gradients alone does, and some say so") {
  const ParameterLayout layout = NoNorms();
  int plain = 0;
  for (const std::string& name : Registry<Strategy>::Get().Names()) {
    INFO(name);
    const auto strategy = Make(Json(name).dump(), layout);
    if (!strategy->Needs().plain_gradient) continue;
    ++plain;
    Quadratic local({1, 2, 3});
    Client client(*strategy, local, {0, 0, 0});
    client.task.parameters = Vector({5, -6, 7});
    const at::Tensor gradient = Vector({1, -2, 3});
    strategy->CorrectGradient(client.task, gradient);
    CHECK(Read(gradient) == std::vector<float>{1, -2, 3});
  }
  CHECK(plain >= 2);
}

}  // namespace
}  // namespace flsim::quadratic
