// q-FedAvg: clients with larger losses count for more, for a fairer spread of performance.
// Li, Sanjabi, Beirami, Smith (2020), "Fair Resource Allocation in Federated Learning",
// Algorithm 2, which minimises sum_k p_k F_k^(q+1) / (q + 1):
//   Delta_k = F_k(w0)^q L (w0 - w_k)
//   h_k     = q F_k(w0)^(q-1) L^2 ||w0 - w_k||^2 + L F_k(w0)^q
//   w <- w0 - sum_S p_k Delta_k / sum_S p_k h_k
//   w0  task.server.parameters   w0 - w_k  update.delta   L  lipschitz, by default 1 / lr
// What is sent is Delta_k / L and h_k / L, so q = 0 is FedAvg, to the bit.
//
// The paper samples clients in proportion to p_k and adds up plainly; here clients are sampled as
// the sampler says and p_k are the aggregator's weights. F_k is the mean loss over the client's
// examples before local training, without weight decay, at least 1e-10 (as in the authors' code:
// F^(q-1)).
#include <algorithm>
#include <cmath>

#include "engine/core/vector_ops.h"
#include "strategies/strategy.h"

namespace flsim {
namespace {

class QFedAvg : public Strategy {
 public:
  struct Options {
    double q = 0.1;
    std::optional<double> lipschitz;
    template <class V>
    void Visit(V& v) {
      v(q, "q", "How much large losses are favoured; 0 gives FedAvg.", AtLeast(0));
      v(lipschitz, "lipschitz",
        "Estimate of the Lipschitz constant of the clients' gradients; if left out, 1 / "
        "training.lr of the round.",
        GreaterThan(0));
    }
  };
  QFedAvg(const Options& options, const Context&) : q_(options.q), lipschitz_(options.lipschitz) {}

  StrategyNeeds Needs() const override {
    StrategyNeeds needs;
    needs.plain_gradient = true;
    needs.data = true;
    needs.mean = needs.scales_update = true;
    return needs;
  }

  void Finish(ClientTask& task, Update& update) const override {
    const double loss = std::max(task.local.Loss(task, task.server.parameters), 1e-10);
    const double power = std::pow(loss, q_);
    const double lipschitz = lipschitz_.value_or(1 / task.lr);
    update.scalars.push_back(power + q_ * power / loss * lipschitz * update.squared_norm);
    Scale(update.delta, power);
    update.squared_norm *= power * power;
  }

  void UpdateServer(ServerState& state, Aggregate& aggregate,
                    const ServerOptimizer& optimizer) const override {
    const double h =
        aggregate.Mean([](const ClientReport& client) { return client.scalars.at(0); });
    Scale(aggregate.delta, 1 / h);
    optimizer.Step(state, aggregate.delta);
  }

 private:
  double q_;
  std::optional<double> lipschitz_;
};

FLSIM_REGISTER(Strategy, QFedAvg, "qfedavg",
               "Fairness by weighting losses to the power q (Li et al., 2020).");

}  // namespace
}  // namespace flsim
