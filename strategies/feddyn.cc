// FedDyn: a linear and a quadratic term make every client's optimum agree with the global one.
// Acar, Zhao, Matas Navarro, Mattina, Whatmough, Saligrama (2021), "Federated Learning Based on
// Dynamic Regularization", Algorithm 1. theta^(t-1) is w0, N clients, cohort S:
//   client   minimises L_k(w) - <g_k, w> + alpha/2 ||w - w0||^2, so that -g_k + alpha (w - w0)
//            joins each local gradient; then g_k <- g_k - alpha (w - w0)
//   server   h <- h - alpha sum_S p_k (w_k - w0),   w <- sum_S p_k w_k / sum_S p_k - h / alpha
//   w  task.parameters   w0  task.server.parameters   g_k  task.state[0]   h  "feddyn.h"
// In terms of delta = w0 - w the server steps along delta + h/alpha.
//
// The paper's p_k is 1/N; ours is the aggregator's weight, with sum_S p_k = aggregate.share, so
// that h = sum_k p_k g_k always and with all clients taking part the fixed point is the optimum of
// sum_k p_k L_k. The authors' code averages uniformly and divides a client's alpha by its size over
// the mean size, to reach the example-weighted optimum; with the weights in the average that is not
// needed, and alpha is everyone's. alpha -> 0 is not FedAvg: h / alpha is then the sum of all past
// aggregates. Any local optimizer will do, as the client's problem is all that matters.
#include "engine/core/vector_ops.h"
#include "strategies/strategy.h"

namespace flsim {
namespace {

constexpr const char* kH = "feddyn.h";

class FedDyn : public Strategy {
 public:
  struct Options {
    double alpha = 0.01;
    template <class V>
    void Visit(V& v) {
      v(alpha, "alpha", "Weight of the dynamic regularizer.", GreaterThan(0));
    }
  };
  FedDyn(const Options& options, const Context& context)
      : alpha_(options.alpha), parameters_(context.parameters) {}

  StrategyNeeds Needs() const override {
    StrategyNeeds needs;
    needs.mean = true;
    return needs;
  }

  std::vector<int64_t> ClientState() const override { return {parameters_->size()}; }

  void InitState(ServerState& state) const override {
    state.tensors[kH] = Zeros(state.parameters.numel(), state.parameters.device());
  }

  void CorrectGradient(const ClientTask& task, const at::Tensor& gradient) const override {
    AddScaled(gradient, -1, task.state[0]);
    AddScaledDifference(gradient, alpha_, task.parameters, task.server.parameters);
  }

  void Finish(ClientTask& task, Update& update) const override {
    AddScaled(task.state[0], alpha_, update.delta);
  }

  void UpdateServer(ServerState& state, Aggregate& aggregate,
                    const ServerOptimizer& optimizer) const override {
    const at::Tensor& h = state.tensors.at(kH);
    AddScaled(h, alpha_ * aggregate.share, aggregate.delta);
    AddScaled(aggregate.delta, 1 / alpha_, h);
    optimizer.Step(state, aggregate.delta);
  }

 private:
  double alpha_;
  const ParameterLayout* parameters_;
};

FLSIM_REGISTER(Strategy, FedDyn, "feddyn", "Dynamic regularization (Acar et al., 2021).");

}  // namespace
}  // namespace flsim
