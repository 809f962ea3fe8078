// FedAdagrad: Reddi et al. (2021), Algorithm 2, first variant; symbols in adaptive.h.
//   m = beta1 m + (1 - beta1) delta;   v = v + delta^2;   w -= lr m / (sqrt(v) + tau)
// beta1 is 0 by default, as in the paper's experiments and in Flower.
#include "strategies/server_optimizers/adaptive.h"

namespace flsim {
namespace {

class Adagrad : public ServerOptimizer {
 public:
  struct Options {
    double lr = 0.1, beta1 = 0, tau = 1e-3, initial_accumulator = 0;
    template <class V>
    void Visit(V& v) {
      v(lr, "lr", "Server learning rate.", GreaterThan(0));
      v(beta1, "beta1", "Decay of the mean of the aggregates, m.", FromBelow(0, 1));
      v(tau, "tau", "Added to the root of v: the larger, the less adaptive.", AtLeast(1e-30));
      v(initial_accumulator, "initial_accumulator", kInitialAccumulatorDoc, AtLeast(0));
    }
  };
  Adagrad(const Options& options, const Context& context)
      : ServerOptimizer(context), options_(options) {}

  void Step(ServerState& state, const at::Tensor& delta) const override {
    const auto lr = static_cast<float>(options_.lr * LrFactor(state));
    const auto beta1 = static_cast<float>(options_.beta1);
    const auto one_minus_beta1 = static_cast<float>(1 - options_.beta1);
    const auto tau = static_cast<float>(options_.tau);
    const auto rule = [=](float& w, float delta, float& m, float& v) {
      m = beta1 * m + one_minus_beta1 * delta;
      v += delta * delta;
      w -= lr * (m / (std::sqrt(v) + tau));
    };
    AdaptiveStep(rule, state, delta, options_.initial_accumulator);
  }

 private:
  Options options_;
};

FLSIM_REGISTER(ServerOptimizer, Adagrad, "adagrad",
               "Divides by the root of the sum of squares (Reddi et al., 2021).");

}  // namespace
}  // namespace flsim
