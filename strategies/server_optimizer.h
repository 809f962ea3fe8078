// A server optimizer turns the aggregate into the next global model.
#pragma once

#include "engine/core/parameters.h"
#include "strategies/schedule.h"
#include "strategies/server_state.h"

namespace flsim {

class ServerOptimizer {
 public:
  static constexpr const char* kKind = "server_optimizer";
  struct Context {
    const Schedule* lr_schedule = nullptr;  ///< outlives the optimizer; null: constant
    /// Where the model's tensors lie; outlives the optimizer. Null: the model is one tensor.
    const ParameterLayout* parameters = nullptr;
  };
  virtual ~ServerOptimizer() = default;

  /// Moves state.parameters against `delta` [P], the pseudo-gradient of round state.round + 1.
  /// State of its own lives in state.tensors, under "server_optimizer.".
  virtual void Step(ServerState& state, const at::Tensor& delta) const = 0;

 protected:
  explicit ServerOptimizer(const Context& context) : lr_schedule_(context.lr_schedule) {}
  /// The schedule's factor for the round that this step ends.
  double LrFactor(const ServerState& state) const {
    return lr_schedule_ == nullptr ? 1 : lr_schedule_->Factor(state.round + 1);
  }

 private:
  const Schedule* lr_schedule_;
};

}  // namespace flsim
