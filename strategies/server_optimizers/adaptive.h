// What the adaptive server optimizers share: Reddi, Charles, Zaheer, Garrett, Rush, Konečný, Kumar,
// McMahan (2021), "Adaptive Federated Optimization", Algorithm 2.
//   x    w, state.parameters             Delta_t  -delta: the paper's points from the old model to
//   m_t  -m, "server_optimizer.m"                 the clients', ours is a gradient
//   v_t  v,  "server_optimizer.v"        eta      lr times the schedule's factor
//   beta_1, beta_2, tau as there; m starts from 0.
// The algorithm asks for v_{-1} >= tau^2 (its proofs divide by it). The authors' own experiments
// (google-research/federated) start Adagrad's and Yogi's v from 0, as Flower does all three; so do
// we, and `initial_accumulator` = tau^2 is the algorithm to the letter.
// lr is by default what the authors tuned for CIFAR-10: 0.01 for Adam and Yogi, 0.1 for Adagrad
// (Flower: 0.1 for Adam and Adagrad, 0.01 for Yogi).
#pragma once

#include <cmath>

#include "engine/core/vector_ops.h"
#include "strategies/server_optimizer.h"

namespace flsim {

struct MomentOptions {
  double lr = 0.01, beta1 = 0.9, beta2 = 0.99, tau = 1e-3;
  template <class V>
  void Visit(V& v) {
    v(lr, "lr", "Server learning rate.", GreaterThan(0));
    v(beta1, "beta1", "Decay of the mean of the aggregates, m.", FromBelow(0, 1));
    v(beta2, "beta2", "Decay of the mean of their squares, v.", FromBelow(0, 1));
    v(tau, "tau", "Added to the root of v: the larger, the less adaptive.", AtLeast(1e-30));
  }
};

constexpr const char* kInitialAccumulatorDoc =
    "What v starts from in each element; the paper's Algorithm 2 asks for tau^2 at least.";

/// The optimizer's own vector [P], filled with `initial` at its first step.
inline const at::Tensor& OwnVector(ServerState& state, const std::string& name, double initial) {
  at::Tensor& vector = state.tensors["server_optimizer." + name];
  if (!vector.defined()) {
    vector = Uninitialized(state.parameters.numel(), state.parameters.device());
    Fill(vector, static_cast<float>(initial));
  }
  return vector;
}

/// Calls rule(w, delta, m, v) for elements begin .. end - 1, in one pass; it may change all but
/// delta. `rule` is a copy, and holds copies, so that no store into the vectors can change it.
template <class Rule>
void ForEachElement(const Rule rule, const at::Tensor& w, const at::Tensor& delta,
                    const at::Tensor& m, const at::Tensor& v, int64_t begin, int64_t end) {
  for (const at::Tensor* x : {&w, &delta, &m, &v}) {
    FLSIM_CHECK(x->is_cpu() && x->is_contiguous() && x->numel() == w.numel(), x->numel());
  }
  float* w_data = w.mutable_data_ptr<float>();
  const float* delta_data = delta.const_data_ptr<float>();
  float* m_data = m.mutable_data_ptr<float>();
  float* v_data = v.mutable_data_ptr<float>();
#pragma GCC ivdep
  for (int64_t i = begin; i < end; ++i) rule(w_data[i], delta_data[i], m_data[i], v_data[i]);
}

/// One step of Algorithm 2 over the whole model.
template <class Rule>
void AdaptiveStep(const Rule& rule, ServerState& state, const at::Tensor& delta,
                  double initial_accumulator) {
  const at::Tensor& m = OwnVector(state, "m", 0);
  const at::Tensor& v = OwnVector(state, "v", initial_accumulator);
  ForEachElement(rule, state.parameters, delta, m, v, 0, delta.numel());
}

/// Counts the optimizer's steps, this one included, in state.tensors: a round without an aggregate
/// is not one of them.
inline double CountStep(ServerState& state) {
  at::Tensor& steps = state.tensors["server_optimizer.steps"];
  if (!steps.defined()) steps = Zeros(1, c10::kCPU);
  return static_cast<double>(++*steps.mutable_data_ptr<float>());
}

/// Adam's moments and its direction: Kingma and Ba (2015), "Adam: A Method for Stochastic
/// Optimization", Algorithm 1, with its epsilon in the place of tau.
struct AdamMoments {
  /// t: the exponent of the bias correction; infinite for none.
  AdamMoments(const MomentOptions& options, double t)
      : beta1(static_cast<float>(options.beta1)),
        one_minus_beta1(static_cast<float>(1 - options.beta1)),
        beta2(static_cast<float>(options.beta2)),
        one_minus_beta2(static_cast<float>(1 - options.beta2)),
        tau(static_cast<float>(options.tau)),
        m_correction(static_cast<float>(1 - std::pow(options.beta1, t))),
        root_v_correction(static_cast<float>(std::sqrt(1 - std::pow(options.beta2, t)))) {}

  /// m_hat / (sqrt(v_hat) + tau)
  float Direction(float m, float v) const {
    return m / m_correction / (std::sqrt(v) / root_v_correction + tau);
  }
  void Update(float delta, float& m, float& v) const {
    m = beta1 * m + one_minus_beta1 * delta;
    v = beta2 * v + one_minus_beta2 * (delta * delta);
  }

  float beta1, one_minus_beta1, beta2, one_minus_beta2, tau;
  float m_correction, root_v_correction;
};

}  // namespace flsim
