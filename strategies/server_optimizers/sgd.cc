// Server SGD: w -= lr * delta, with momentum as PyTorch's SGD defines it (and FedAvgM uses it: Hsu,
// Qi, Brown, 2019, "Measuring the Effects of Non-Identical Data Distribution for Federated Visual
// Classification"):
//   m = momentum m + delta;   w -= lr m   (nesterov: w -= lr (delta + momentum m)).
#include "engine/core/vector_ops.h"
#include "strategies/server_optimizer.h"

namespace flsim {
namespace {

class Sgd : public ServerOptimizer {
 public:
  struct Options {
    double lr = 1, momentum = 0;
    bool nesterov = false;
    template <class V>
    void Visit(V& v) {
      v(lr, "lr", "Server learning rate.", GreaterThan(0));
      v(momentum, "momentum", "Server momentum; 0.9 gives FedAvgM.", FromBelow(0, 1));
      v(nesterov, "nesterov", "Looks ahead along the momentum; needs momentum above 0.");
    }
    void Check(Problems& problems, const std::string& path) {
      if (nesterov && momentum == 0)
        problems.Add(JoinPath(path, "nesterov"), "needs momentum above 0");
    }
  };
  Sgd(const Options& options, const Context& context)
      : ServerOptimizer(context), options_(options) {}

  void Step(ServerState& state, const at::Tensor& delta) const override {
    const double lr = options_.lr * LrFactor(state);
    const double momentum = options_.momentum;
    if (momentum == 0) return AddScaled(state.parameters, -lr, delta);
    at::Tensor& m = state.tensors["server_optimizer.momentum"];
    const bool first = !m.defined();
    if (first) m = Uninitialized(delta.numel(), delta.device());
    if (options_.nesterov) AddScaled(state.parameters, -lr, delta);
    const double along_m = options_.nesterov ? lr * momentum : lr;
    Apply(SgdStep{along_m, momentum, /*weight_decay=*/0, first}, state.parameters, delta, m);
  }

 private:
  Options options_;
};

FLSIM_REGISTER(ServerOptimizer, Sgd, "sgd", "Gradient descent on the aggregate, with momentum.");

}  // namespace
}  // namespace flsim
