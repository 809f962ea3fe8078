// FedDC: each client learns how far it drifts, and the server averages the models with their drift
// put back.
// Gao, Fu, Li, Chen, Xu, Xu (2022), "FedDC: Federated Learning with Non-IID Data via Local Drift
// Decoupling and Correction", Algorithm 1. N clients, cohort S, K local steps of learning rate lr:
//   client   minimises L_i(w) + alpha/2 ||h_i + w - w0||^2 + <w, c - c_i>, so that
//            alpha (h_i + w - w0) + c - c_i joins each local gradient; then h_i <- h_i + w - w0
//   server   w <- sum_S p_i w_i / sum_S p_i + sum_i p_i h_i
//   w  task.parameters   w0  task.server.parameters   h_i  task.state[0]   c_i  task.state[1]
//   h  "feddc.h" = sum_i p_i h_i over all clients      c  "feddc.c" = sum_i p_i c_i
//
// The paper's G_i = <w, g_i - g> / (lr K), where g_i = w - w0 of the last round, corrects by
// updates that were themselves corrected: with one step a round that doubles back and grows (its
// recurrence has a root below -1). The authors' code keeps SCAFFOLD's control variates instead
// (option II), c_i+ = c_i - c + (w0 - w) / (K lr), and so does ours; K as in scaffold.cc. p_i are
// the aggregator's weights by examples, for both averages (the optimum is missed if they differ);
// the authors weigh by scaling alpha and c with n_i. Without c and c_i this is FedDyn.
#include "engine/core/error.h"
#include "engine/core/vector_ops.h"
#include "strategies/local_sgd.h"
#include "strategies/strategy.h"

namespace flsim {
namespace {

constexpr const char* kH = "feddc.h";
constexpr const char* kC = "feddc.c";

class FedDc : public Strategy {
 public:
  struct Options {
    double alpha = 0.01;
    template <class V>
    void Visit(V& v) {
      v(alpha, "alpha", "Weight of the penalty on drift.", GreaterThan(0));
    }
  };
  FedDc(const Options& options, const Context& context)
      : alpha_(options.alpha), training_(context.training), parameters_(context.parameters) {
    RequireSgd(training_, "feddc", RescalesCorrections(training_));
  }

  StrategyNeeds Needs() const override {
    StrategyNeeds needs;
    needs.weights = true;
    needs.mean = true;
    needs.vectors_down = 1;  // c
    return needs;
  }

  std::vector<int64_t> ClientState() const override {
    return {parameters_->size(), parameters_->size()};
  }

  void InitState(ServerState& state) const override {
    for (const char* name : {kH, kC})
      state.tensors[name] = Zeros(state.parameters.numel(), state.parameters.device());
  }

  void CorrectGradient(const ClientTask& task, const at::Tensor& gradient) const override {
    AddScaledDifference(gradient, alpha_, task.parameters, task.server.parameters);
    AddScaled(gradient, alpha_, task.state[0]);
    AddScaledDifference(gradient, 1, task.server.tensors.at(kC), task.state[1]);
  }

  void Finish(ClientTask& task, Update& update) const override {
    AddScaled(task.state[0], -1, update.delta);
    const at::Tensor& change = task.local.Scratch(0);  // c_i+ - c_i
    ControlVariateChange(training_, task, update.delta, task.server.tensors.at(kC), change);
    AddScaled(task.state[1], 1, change);
    Scale(change, static_cast<double>(task.examples));
    update.extras.push_back(change);
  }

  void UpdateServer(ServerState& state, Aggregate& aggregate,
                    const ServerOptimizer& optimizer) const override {
    double examples = 0;
    for (const ClientReport& client : aggregate.clients)
      examples += static_cast<double>(client.examples);
    const double cohort = static_cast<double>(aggregate.clients.size());
    AddScaled(state.tensors.at(kC), aggregate.share * cohort / examples, aggregate.extras.at(0));
    const at::Tensor& h = state.tensors.at(kH);
    AddScaled(h, -aggregate.share, aggregate.delta);
    AddScaled(aggregate.delta, -1, h);
    optimizer.Step(state, aggregate.delta);
  }

 private:
  double alpha_;
  TrainingOptions training_;
  const ParameterLayout* parameters_;
};

FLSIM_REGISTER(Strategy, FedDc, "feddc", "Local drift, learnt and put back (Gao et al., 2022).");

}  // namespace
}  // namespace flsim
