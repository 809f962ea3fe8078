// FedYogi: Reddi et al. (2021), Algorithm 2, second variant; symbols in adaptive.h. The rule for v
// is from Zaheer, Reddi, Sachan, Kale, Kumar (2018), "Adaptive Methods for Nonconvex Optimization".
//   m = beta1 m + (1 - beta1) delta;   v = v - (1 - beta2) delta^2 sign(v - delta^2)
//   w -= lr m / (sqrt(v) + tau)
// No bias correction, here as in the algorithm and in Flower.
#include "strategies/server_optimizers/adaptive.h"

namespace flsim {
namespace {

class Yogi : public ServerOptimizer {
 public:
  struct Options : MomentOptions {
    double initial_accumulator = 0;
    template <class V>
    void Visit(V& v) {
      MomentOptions::Visit(v);
      v(initial_accumulator, "initial_accumulator", kInitialAccumulatorDoc, AtLeast(0));
    }
  };
  Yogi(const Options& options, const Context& context)
      : ServerOptimizer(context), options_(options) {}

  void Step(ServerState& state, const at::Tensor& delta) const override {
    const auto lr = static_cast<float>(options_.lr * LrFactor(state));
    const auto beta1 = static_cast<float>(options_.beta1);
    const auto one_minus_beta1 = static_cast<float>(1 - options_.beta1);
    const auto one_minus_beta2 = static_cast<float>(1 - options_.beta2);
    const auto tau = static_cast<float>(options_.tau);
    const auto rule = [=](float& w, float delta, float& m, float& v) {
      const float square = delta * delta;
      const float sign = v > square ? 1.0f : v < square ? -1.0f : 0.0f;
      m = beta1 * m + one_minus_beta1 * delta;
      v -= one_minus_beta2 * square * sign;
      w -= lr * (m / (std::sqrt(v) + tau));
    };
    AdaptiveStep(rule, state, delta, options_.initial_accumulator);
  }

 private:
  Options options_;
};

FLSIM_REGISTER(ServerOptimizer, Yogi, "yogi",
               "Adam whose v moves by steps of bounded size (Reddi et al., 2021).");

}  // namespace
}  // namespace flsim
