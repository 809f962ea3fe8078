// FedExP: the server extrapolates as far as the clients' updates disagree.
// Jhunjhunwala, Wang, Joshi (2023), "FedExP: Speeding Up Federated Averaging via Extrapolation",
// Algorithm 1:
//   w <- w0 - eta_g delta,   eta_g = max(1, sum_k p_k ||delta_k||^2 / (2 (||delta||^2 + epsilon)))
//   delta  sum_k p_k delta_k, the aggregate      p_k  the aggregator's weights (1/M in the paper)
// Clients that agree give eta_g = 1, which is FedAvg.
//
// The paper evaluates the mean of the last two models, because one that is far extrapolated
// oscillates; here the last is the model. The authors' code takes M epsilon for epsilon and lets it
// shrink with the square of the learning rate. eta_g multiplies the server optimizer's learning
// rate; adaptive server optimizers undo it.
#include <algorithm>

#include "engine/core/vector_ops.h"
#include "strategies/strategy.h"

namespace flsim {
namespace {

class FedExp : public Strategy {
 public:
  struct Options {
    double epsilon = 1e-3;
    template <class V>
    void Visit(V& v) {
      v(epsilon, "epsilon",
        "Added to the squared norm of the aggregate: larger steps less far when clients cancel "
        "out.",
        AtLeast(0));
    }
  };
  FedExp(const Options& options, const Context&) : epsilon_(options.epsilon) {}

  StrategyNeeds Needs() const override {
    StrategyNeeds needs;
    needs.plain_gradient = true;
    needs.mean = true;
    return needs;
  }

  void UpdateServer(ServerState& state, Aggregate& aggregate,
                    const ServerOptimizer& optimizer) const override {
    const double mean =
        aggregate.Mean([](const ClientReport& client) { return client.squared_norm; });
    const double twice = 2 * (aggregate.squared_norm + epsilon_);
    if (twice > 0) Scale(aggregate.delta, std::max(1.0, mean / twice));
    optimizer.Step(state, aggregate.delta);
  }

 private:
  double epsilon_;
};

FLSIM_REGISTER(Strategy, FedExp, "fedexp",
               "Server step size by extrapolation (Jhunjhunwala et al., 2023).");

}  // namespace
}  // namespace flsim
