// AdamW: Loshchilov and Hutter (2019), "Decoupled Weight Decay Regularization", Algorithm 2, on the
// pseudo-gradient; symbols in adaptive.h.
//   m = beta1 m + (1 - beta1) delta;   v = beta2 v + (1 - beta2) delta^2
//   w -= lr (m_hat / (sqrt(v_hat) + tau) + weight_decay w)
// m_hat and v_hat are bias-corrected as in Kingma and Ba (2015). The paper multiplies the decay by
// the schedule's factor but not by lr (alpha there); as PyTorch does, we multiply by both.
#include "strategies/server_optimizers/adaptive.h"

namespace flsim {
namespace {

class AdamW : public ServerOptimizer {
 public:
  struct Options : MomentOptions {
    double weight_decay = 0.01;
    template <class V>
    void Visit(V& v) {
      MomentOptions::Visit(v);
      v(weight_decay, "weight_decay",
        "A step also takes away this times the learning rate of each parameter; 0 gives adam with "
        "bias_correction kingma.",
        AtLeast(0));
    }
  };
  AdamW(const Options& options, const Context& context)
      : ServerOptimizer(context), options_(options) {}

  void Step(ServerState& state, const at::Tensor& delta) const override {
    const AdamMoments moments(options_, CountStep(state));
    const auto lr = static_cast<float>(options_.lr * LrFactor(state));
    const auto decay = static_cast<float>(options_.weight_decay);
    const auto rule = [=](float& w, float delta, float& m, float& v) {
      moments.Update(delta, m, v);
      w -= lr * (moments.Direction(m, v) + decay * w);
    };
    AdaptiveStep(rule, state, delta, /*initial_accumulator=*/0);
  }

 private:
  Options options_;
};

FLSIM_REGISTER(ServerOptimizer, AdamW, "adamw",
               "Adam with decoupled weight decay (Loshchilov and Hutter, 2019).");

}  // namespace
}  // namespace flsim
