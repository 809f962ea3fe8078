// LAMB: You, Li, Reddi, Hseu, Kumar, Bhojanapalli, Song, Demmel, Keutzer, Hsieh (2020), "Large
// Batch Optimization for Deep Learning: Training BERT in 76 Minutes", Algorithm 2, on the
// pseudo-gradient; symbols in adaptive.h. For each tensor x^(i) of the model:
//   u = m_hat / (sqrt(v_hat) + tau) + weight_decay x^(i)    (r + lambda x^(i) there)
//   x^(i) -= lr phi(||x^(i)||) / ||u|| u,   phi(z) = z
// m_hat and v_hat are Adam's, bias-corrected. The paper leaves phi open; where ||x^(i)|| or ||u||
// is 0 the ratio is 1, as in the authors' code. A tensor moves by lr times its own length, so lr
// means the same for every layer. Three passes over each tensor: moments, norms, step.
#include <algorithm>
#include <numeric>

#include "strategies/server_optimizers/adaptive.h"

namespace flsim {
namespace {

class Lamb : public ServerOptimizer {
 public:
  struct Options : MomentOptions {
    double weight_decay = 0.01;
    template <class V>
    void Visit(V& v) {
      MomentOptions::Visit(v);
      v(weight_decay, "weight_decay", "This times each parameter joins the direction of a step.",
        AtLeast(0));
    }
  };
  Lamb(const Options& options, const Context& context)
      : ServerOptimizer(context),
        options_(options),
        decay_(static_cast<float>(options.weight_decay)),
        parameters_(context.parameters) {}

  void Step(ServerState& state, const at::Tensor& delta) const override {
    const AdamMoments moments(options_, CountStep(state));
    const double lr = options_.lr * LrFactor(state);
    const at::Tensor& w = state.parameters;
    const at::Tensor& m = OwnVector(state, "m", 0);
    const at::Tensor& v = OwnVector(state, "v", 0);
    const auto step = [&](int64_t begin, int64_t end) {
      const auto update = [=](float&, float delta, float& m, float& v) {
        moments.Update(delta, m, v);
      };
      ForEachElement(update, w, delta, m, v, begin, end);
      const float rate = static_cast<float>(lr * TrustRatio(moments, w, m, v, begin, end));
      const auto move = [=, decay = decay_](float& w, float, float& m, float& v) {
        w -= rate * (moments.Direction(m, v) + decay * w);
      };
      ForEachElement(move, w, delta, m, v, begin, end);
    };
    if (parameters_ == nullptr) return step(0, w.numel());
    for (const ParameterSlot& slot : parameters_->slots())
      step(slot.offset, slot.offset + slot.size);
  }

 private:
  /// phi(||x||) / ||u|| over elements begin .. end - 1.
  double TrustRatio(const AdamMoments moments, const at::Tensor& w, const at::Tensor& m,
                    const at::Tensor& v, int64_t begin, int64_t end) const {
    const float* w_data = w.const_data_ptr<float>();
    const float* m_data = m.const_data_ptr<float>();
    const float* v_data = v.const_data_ptr<float>();
    // Lanes: sums that vectorise, in an order that is the same on every machine.
    constexpr int64_t kLanes = 8;
    double x_squared[kLanes] = {}, u_squared[kLanes] = {};
    for (int64_t i = begin; i < end; i += kLanes) {
      const int64_t lanes = std::min(kLanes, end - i);
      float u[kLanes];
      for (int64_t j = 0; j < lanes; ++j)
        u[j] = moments.Direction(m_data[i + j], v_data[i + j]) + decay_ * w_data[i + j];
      for (int64_t j = 0; j < lanes; ++j) {
        x_squared[j] += static_cast<double>(w_data[i + j]) * w_data[i + j];
        u_squared[j] += static_cast<double>(u[j]) * u[j];
      }
    }
    const double x = std::sqrt(std::accumulate(x_squared, x_squared + kLanes, 0.0));
    const double norm_u = std::sqrt(std::accumulate(u_squared, u_squared + kLanes, 0.0));
    return x > 0 && norm_u > 0 ? x / norm_u : 1;
  }

  Options options_;
  float decay_;
  const ParameterLayout* parameters_;
};

FLSIM_REGISTER(ServerOptimizer, Lamb, "lamb",
               "Adam with a step in proportion to each tensor's norm (You et al., 2020).");

}  // namespace
}  // namespace flsim
