// FedNova: clients' updates are divided by how far their local steps carry before they are
// averaged. Wang, Liu, Liang, Joshi, Poor (2020), "Tackling the Objective Inconsistency Problem in
// Heterogeneous Federated Optimization", equation 7:
//   w <- w0 - tau_eff sum_i p_i delta_i / ||a_i||_1,      tau_eff = sum_i p_i ||a_i||_1
//   delta_i    update.delta (lr G_i a_i in the paper)
//   p_i        the aggregator's weights, summing to 1
//   ||a_i||_1  how far the client's local steps carry: strategies/local_sgd.h
// Clients that take the same number of steps make it FedAvg (with mu, FedProx) to rounding.
//
// Where readings differ: our local optimizer adds the proximal term before momentum; the authors'
// code adds it to the momentum buffer afterwards, sums both normalisers when both are on, and with
// mu takes tau_eff = sum p_i K_i, the number of steps. Server momentum ("gmf" there) is the server
// optimizer's. Weight decay is part of the objective and not of a_i. Adam has no such a_i.
#include <cmath>

#include "engine/core/error.h"
#include "engine/core/vector_ops.h"
#include "strategies/local_sgd.h"
#include "strategies/strategy.h"

namespace flsim {
namespace {

class FedNova : public Strategy {
 public:
  struct Options {
    double mu = 0;
    template <class V>
    void Visit(V& v) {
      v(mu, "mu", "Weight of a proximal term as FedProx has it; 0 leaves it out.", AtLeast(0));
    }
  };
  FedNova(const Options& options, const Context& context)
      : mu_(options.mu), training_(context.training) {
    RequireSgd(training_, "fednova",
               "how far a step of " + training_.optimizer +
                   " carries does not grow with its gradient, so updates can't be normalized");
    // Below this the displacement by a constant gradient only grows; above it swings, through 0.
    const double lr = context.training.lr, root = 1 - std::sqrt(context.training.momentum);
    if (mu_ > 0 && mu_ * lr >= root * root) {
      throw ConfigError("strategy.mu: must be below " + ShowNumber(root * root / lr) +
                        " with this training.lr and momentum, beyond which local steps swing about "
                        "the global model; got " +
                        ShowNumber(mu_));
    }
  }

  StrategyNeeds Needs() const override {
    StrategyNeeds needs;
    needs.scales_update = true;
    return needs;
  }

  void CorrectGradient(const ClientTask& task, const at::Tensor& gradient) const override {
    if (mu_ > 0) AddScaledDifference(gradient, mu_, task.parameters, task.server.parameters);
  }

  void Finish(ClientTask& task, Update& update) const override {
    const double a = StepSum(training_, task.steps, task.lr, mu_);
    Scale(update.delta, 1 / a);
    update.squared_norm /= a * a;
    update.scalars.push_back(a);
  }

  void UpdateServer(ServerState& state, Aggregate& aggregate,
                    const ServerOptimizer& optimizer) const override {
    const double tau_eff =
        aggregate.Mean([](const ClientReport& client) { return client.scalars.at(0); });
    Scale(aggregate.delta, tau_eff);
    optimizer.Step(state, aggregate.delta);
  }

 private:
  double mu_;
  TrainingOptions training_;
};

FLSIM_REGISTER(Strategy, FedNova, "fednova",
               "Updates normalized by their local steps (Wang et al., 2020).");

}  // namespace
}  // namespace flsim
