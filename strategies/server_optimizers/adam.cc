// FedAdam: Reddi et al. (2021), Algorithm 2, third variant; symbols in adaptive.h.
//   m = beta1 m + (1 - beta1) delta;   v = beta2 v + (1 - beta2) delta^2
//   w -= lr m / (sqrt(v) + tau)
// The algorithm has no bias correction. `bias_correction` adds one:
//   kingma  Kingma and Ba (2015), Algorithm 1: m / (1 - beta1^t) and v / (1 - beta2^t) take the
//           places of m and v in the t-th step; tau is their epsilon.
//   flower  what Flower's FedAdam does: lr sqrt(1 - beta2^(r+1)) / (1 - beta1^(r+1)) takes the
//           place of lr in round r = 1, 2, ... (the exponent is one more than Kingma and Ba's, and
//           tau is not divided by the root as in their Section 2).
#include <limits>

#include "strategies/server_optimizers/adaptive.h"

namespace flsim {
namespace {

class Adam : public ServerOptimizer {
 public:
  struct Options : MomentOptions {
    double initial_accumulator = 0;
    std::string bias_correction = "none";
    template <class V>
    void Visit(V& v) {
      MomentOptions::Visit(v);
      v(initial_accumulator, "initial_accumulator", kInitialAccumulatorDoc, AtLeast(0));
      v(bias_correction, "bias_correction",
        "Of m and v, which start from 0: none (Reddi et al., 2021), kingma (Kingma and Ba, 2015) "
        "or flower (with the exponent round + 1).",
        OneOf({"none", "kingma", "flower"}));
    }
    void Check(Problems& problems, const std::string& path) {
      if (bias_correction != "none" && initial_accumulator > 0) {
        problems.Add(JoinPath(path, "initial_accumulator"),
                     "must be 0 with bias_correction, which takes v to start from 0");
      }
    }
  };
  Adam(const Options& options, const Context& context)
      : ServerOptimizer(context), options_(options) {}

  void Step(ServerState& state, const at::Tensor& delta) const override {
    double t = std::numeric_limits<double>::infinity();
    double lr = options_.lr * LrFactor(state);
    if (options_.bias_correction == "kingma") t = CountStep(state);
    if (options_.bias_correction == "flower") {
      const auto exponent = static_cast<double>(state.round + 2);  // state.round = r - 1
      lr *= std::sqrt(1 - std::pow(options_.beta2, exponent)) /
            (1 - std::pow(options_.beta1, exponent));
    }
    const AdamMoments moments(options_, t);
    const auto rule = [moments, lr = static_cast<float>(lr)](float& w, float delta, float& m,
                                                             float& v) {
      moments.Update(delta, m, v);
      w -= lr * moments.Direction(m, v);
    };
    AdaptiveStep(rule, state, delta, options_.initial_accumulator);
  }

 private:
  Options options_;
};

FLSIM_REGISTER(ServerOptimizer, Adam, "adam",
               "Divides the mean by the root of the mean square (Reddi et al., 2021).");

}  // namespace
}  // namespace flsim
