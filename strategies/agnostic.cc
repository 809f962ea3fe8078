// Agnostic federated learning: minimises the loss of the worst mixture of clients.
// Mohri, Sivek, Suresh (2019), "Agnostic Federated Learning": min_w max_lambda sum_k lambda_k
// F_k(w) over the simplex, by their Stochastic-AFL: descent in w, projected ascent in lambda,
//   w <- w0 - sum_S lambda_k delta_k / sum_S lambda_k
//   lambda <- Project(lambda + lambda_lr v),   v_k = N/|S| F_k(w0) for k in S, else 0
//   lambda  "agnostic.lambda" [N]   F_k(w0)  the client's mean loss before local training
//
// Their step in w is one gradient; local training in its place is that of Deng, Kamani, Mahdavi
// (2020), "Distributionally Robust Federated Averaging", and of Ro, Chen, Mathews, Mohri, Suresh
// (2021), "Communication-Efficient Agnostic Federated Averaging". With part of the clients, v is
// unbiased (the factor N/|S| is Deng et al.'s), while the mean of the models is normalized over the
// cohort (as Ro et al. do, and FedJAX): the unbiased sum would step N/|S| times as far whenever the
// one client that lambda is on is drawn. A cohort on which lambda is 0 moves nothing. Deng et al.
// sample by lambda and evaluate at a random step instead; Ro et al. ascend by exponentiated
// gradient.
#include <algorithm>
#include <functional>

#include "engine/core/vector_ops.h"
#include "strategies/strategy.h"

namespace flsim {
namespace {

constexpr const char* kLambda = "agnostic.lambda";

/// The nearest point of the simplex { x >= 0, sum x = 1 } (Duchi, Shalev-Shwartz, Singer, Chandra,
/// 2008, "Efficient Projections onto the l1-Ball", figure 1).
void ProjectOntoSimplex(float* x, int64_t n) {
  std::vector<double> sorted(x, x + n);
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  double sum = 0, theta = 0;
  for (size_t i = 0; i < sorted.size(); ++i) {
    sum += sorted[i];
    const double next = (sum - 1) / static_cast<double>(i + 1);
    if (sorted[i] <= next) break;
    theta = next;
  }
  for (int64_t i = 0; i < n; ++i)
    x[i] = static_cast<float>(std::max(static_cast<double>(x[i]) - theta, 0.0));
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
    needs.weights = needs.data = true;
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
    const double step = lambda_lr_ * static_cast<double>(state.clients) /
                        static_cast<double>(aggregate.clients.size());
    double cohort_lambda = 0;
    for (const ClientReport& client : aggregate.clients) {
      cohort_lambda += client.scalars.at(0);
      lambda[client.client] += static_cast<float>(step * client.scalars.at(1));
    }
    if (cohort_lambda == 0) Fill(aggregate.delta, 0);
    if (lambda_lr_ > 0) ProjectOntoSimplex(lambda, state.clients);
    optimizer.Step(state, aggregate.delta);
  }

 private:
  double lambda_lr_;
};

FLSIM_REGISTER(Strategy, Agnostic, "agnostic",
               "The worst mixture of clients' losses (Mohri et al., 2019).");

}  // namespace
}  // namespace flsim
