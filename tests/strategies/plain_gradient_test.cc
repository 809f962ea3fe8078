#include <catch2/catch.hpp>

#include "tests/strategies/quadratic_client.h"

namespace flsim::quadratic {
namespace {

TEST_CASE("a strategy that says it leaves gradients alone does; fedavg says so") {
  const ParameterLayout layout = ThreeLayers();
  for (const std::string& name : Registry<Strategy>::Get().Names()) {
    INFO(name);
    const auto strategy = Make(Json(name).dump(), layout);
    if (!strategy->Needs().plain_gradient) continue;
    const std::vector<float> before = {1, -2, 3, 4, -5, 6, 7};
    Quadratic local(before);
    Client client(*strategy, local, std::vector<float>(7, 0));
    client.task.parameters = Vector({5, -6, 7, 8, 9, 10, 11});
    const at::Tensor gradient = Vector(before);
    strategy->CorrectGradient(client.task, gradient);
    CHECK(Read(gradient) == before);
  }
  CHECK(Make(R"("fedavg")", layout)->Needs().plain_gradient);
}

}  // namespace
}  // namespace flsim::quadratic
