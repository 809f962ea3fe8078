// FedProx: local training is pulled towards the global model.
// Li, Sahu, Zaheer, Sanjabi, Talwalkar, Smith (2020), "Federated Optimization in Heterogeneous
// Networks", Algorithm 2: a client minimises F_k(w) + mu/2 ||w - w0||^2, so mu (w - w0) joins each
// local gradient. The server is FedAvg's.
//   w   task.parameters          w0  task.server.parameters
#include "engine/core/vector_ops.h"
#include "strategies/strategy.h"

namespace flsim {
namespace {

class FedProx : public Strategy {
 public:
  struct Options {
    double mu = 0.01;
    template <class V>
    void Visit(V& v) {
      v(mu, "mu", "Weight of the proximal term; 0 gives FedAvg.", AtLeast(0));
    }
  };
  FedProx(const Options& options, const Context&) : mu_(options.mu) {}

  void CorrectGradient(const ClientTask& task, const at::Tensor& gradient) const override {
    AddScaledDifference(gradient, mu_, task.parameters, task.server.parameters);
  }

 private:
  double mu_;
};

FLSIM_REGISTER(Strategy, FedProx, "fedprox", "FedAvg with a proximal term (Li et al., 2020).");

}  // namespace
}  // namespace flsim
