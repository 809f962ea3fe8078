// Agnostic federated learning: minimises the loss of the worst mixture of clients.
// Mohri, Sivek, Suresh (2019), "Agnostic Federated Learning": min_w max_lambda sum_k lambda_k
// F_k(w) over the simplex, by their Stochastic-AFL: descent in w, projected ascent in lambda,
//   w <- w0 - sum_S lambda_k delta_k / sum_S lambda_k
//   lambda_S <- m Project(lambda_S / m + lambda_lr F_S(w0)),   m = sum_S lambda_k
//   lambda  "agnostic.lambda" [N]   F_k(w0)  the client's mean loss before local training
//
// With all clients m = 1 and the ascent is the paper's. With part of them the weights of the cohort
// are moved among its members and their sum m stays, as the mean of the models is normalized over
// the cohort too: an unbiased ascent (Deng, Kamani, Mahdavi, 2020, scale the sampled losses by
// N/|S|) puts all weight on one cohort, on which the next has none. Local training in place of one
// gradient is that of Deng et al. ("Distributionally Robust Federated Averaging") and of Ro, Chen,
// Mathews, Mohri, Suresh (2021, "Communication-Efficient Agnostic Federated Averaging"), who ascend
// by exponentiated gradient.
#include <algorithm>
#include <functional>

#include "engine/core/vector_ops.h"
#include "strategies/strategy.h"

namespace flsim {
namespace {

constexpr const char* kLambda = "agnostic.lambda";
/// Keeps a cohort's mass above 0, so that it has shares; lost in rounding beside any other weight.
constexpr double kLeast = 1e-20;

/// The nearest point of the simplex { x >= 0, sum x = 1 } (Duchi, Shalev-Shwartz, Singer, Chandra,
/// 2008, "Efficient Projections onto the l1-Ball", figure 1).
void ProjectOntoSimplex(std::vector<double>& x) {
  std::vector<double> sorted = x;
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  double sum = 0, theta = 0;
  for (size_t i = 0; i < sorted.size(); ++i) {
    sum += sorted[i];
    const double next = (sum - 1) / static_cast<double>(i + 1);
    if (sorted[i] <= next) break;
    theta = next;
  }
  for (double& value : x) value = std::max(value - theta, 0.0);
}

class Agnostic : public Strategy {
 public:
  struct Options {
    double lambda_lr = 0.01;
    template <class V>
    void Visit(V& v) {
      v(lambda_lr, "lambda_lr",
        "Step of the clients' weights along their losses; 0 keeps the weights equal.", AtLeast(0));
    }
  };
  Agnostic(const Options& options, const Context&) : lambda_lr_(options.lambda_lr) {}

  StrategyNeeds Needs() const override {
    StrategyNeeds needs;
    needs.plain_gradient = true;
    needs.weights = needs.data = true;
    needs.mean = true;
    return needs;
  }

  void InitState(ServerState& state) const override {
    const at::Tensor lambda = Uninitialized(state.clients, c10::Device(c10::kCPU));
    Fill(lambda, static_cast<float>(1 / static_cast<double>(state.clients)));
    state.tensors[kLambda] = lambda;
  }

  void Finish(ClientTask& task, Update& update) const override {
    const double lambda = task.server.tensors.at(kLambda).const_data_ptr<float>()[task.client];
    update.weight = lambda;
    update.scalars = {lambda, task.local.Loss(task, task.server.parameters)};
  }

  void UpdateServer(ServerState& state, Aggregate& aggregate,
                    const ServerOptimizer& optimizer) const override {
    float* lambda = state.tensors.at(kLambda).data_ptr<float>();
    double mass = 0;
    for (const ClientReport& client : aggregate.clients) mass += client.scalars.at(0);
    std::vector<double> shares;
    for (const ClientReport& client : aggregate.clients)
      shares.push_back(client.scalars.at(0) / mass + lambda_lr_ * client.scalars.at(1));
    if (lambda_lr_ > 0) {
      ProjectOntoSimplex(shares);
      for (size_t i = 0; i < shares.size(); ++i) {
        lambda[aggregate.clients[i].client] =
            static_cast<float>(std::max(mass * shares[i], kLeast));
      }
    }
    optimizer.Step(state, aggregate.delta);
  }

 private:
  double lambda_lr_;
};

FLSIM_REGISTER(Strategy, Agnostic, "agnostic",
               "The worst mixture of clients' losses (Mohri et al., 2019).");

}  // namespace
}  // namespace flsim
