// A server and its optimizer, for the tests of server optimizers.
#pragma once

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

#include "strategies/server_optimizer.h"
#include "tests/strategies/component.h"
#include "tests/values.h"

namespace flsim {

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

inline Approx Near(double value) { return Approx(value).epsilon(1e-6).margin(1e-7); }

inline const std::vector<std::string> kAdaptive = {"adagrad", "adam", "adamw", "lamb", "yogi"};

}  // namespace flsim
