// FedCM: clients step along a mixture of their gradient and the last round's global direction.
// Xu, Wang, Wang, Yao (2021), "FedCM: Federated Learning with Client-level Momentum", Algorithm 1:
//   w <- w - lr (alpha g_i(w) + (1 - alpha) D)        each local step, D frozen
//   D <- mean_S (w0 - w_i) / (lr K),   w <- w0 - eta_g D
//   w  task.parameters   w0  task.server.parameters   D  "fedcm.direction"   lr  task.lr
// The server optimizer steps along mean_S (w0 - w_i) = lr K D, so its lr 1 is the paper's eta_g =
// lr K. Where clients' K differ, K is their mean by the aggregator's weights. D starts at 0.
#include "engine/core/error.h"
#include "engine/core/vector_ops.h"
#include "strategies/strategy.h"

namespace flsim {
namespace {

constexpr const char* kD = "fedcm.direction";

class FedCm : public Strategy {
 public:
  struct Options {
    double alpha = 0.1;
    template <class V>
    void Visit(V& v) {
      v(alpha, "alpha", "The gradient's part of a local step; 1 gives FedAvg.", Between(0.001, 1));
    }
  };
  FedCm(const Options& options, const Context& context)
      : alpha_(options.alpha), weight_decay_(context.training.weight_decay) {
    if (context.training.optimizer != "sgd" || context.training.momentum != 0)
      throw ConfigError("training.optimizer: fedcm needs sgd with training.momentum 0");
  }
  StrategyNeeds Needs() const override {
    StrategyNeeds needs;
    needs.vectors_down = 1;  // D
    return needs;
  }
  void InitState(ServerState& state) const override {
    state.tensors[kD] = Zeros(state.parameters.numel(), state.parameters.device());
  }
  void CorrectGradient(const ClientTask& task, const at::Tensor& gradient) const override {
    Scale(gradient, alpha_);
    AddScaled(gradient, 1 - alpha_, task.server.tensors.at(kD));
    // The trainer adds all of the weight decay, of which alpha is due.
    if (weight_decay_ > 0) AddScaled(gradient, (alpha_ - 1) * weight_decay_, task.parameters);
  }
  void UpdateServer(ServerState& state, Aggregate& aggregate,
                    const ServerOptimizer& optimizer) const override {
    double steps = 0, weights = 0;
    for (const ClientReport& c : aggregate.clients) {
      steps += c.weight * static_cast<double>(c.steps);
      weights += c.weight;
    }
    SetScaled(state.tensors.at(kD), weights / (steps * aggregate.lr), aggregate.delta);
    optimizer.Step(state, aggregate.delta);
  }

 private:
  double alpha_, weight_decay_;
};

FLSIM_REGISTER(Strategy, FedCm, "fedcm", "Client-level momentum (Xu et al., 2021).");

}  // namespace
}  // namespace flsim
