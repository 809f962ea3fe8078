#include "engine/core/vector_ops.h"

#include <ATen/ops/empty.h>

#include <cmath>
#include <cstring>

#include "engine/core/error.h"
#include "engine/core/huge_pages.h"

// One body, compiled for three instruction sets and chosen when the program starts. The bits agree:
// elementwise code rounds each operation once on all of them (-ffp-contract=off), and reductions
// have a fixed number of lanes, whatever the width of a register. ivdep: vectors of one call are
// the same or apart, so no element depends on another's.
#define FLSIM_CLONES __attribute__((target_clones("default", "avx2", "avx512f")))

namespace flsim {
namespace {

using Float8 = float __attribute__((vector_size(32)));
using Double8 = double __attribute__((vector_size(64)));
constexpr int64_t kLanes = 16;

/// The flat vector as a pointer, after the checks that every operation owes its callers.
float* Pointer(const at::Tensor& x, int64_t n) {
  FLSIM_CHECK(x.defined() && x.is_cpu(), "vector_ops has no code for this device");
  FLSIM_CHECK(x.scalar_type() == at::kFloat && x.numel() == n && x.is_contiguous(), x.numel(), n);
  // As TensorImpl::mutable_data(), without the calls into LibTorch that short vectors would feel.
  const c10::TensorImpl& tensor = *x.unsafeGetTensorImpl();
  return static_cast<float*>(tensor.unsafe_storage().mutable_data()) + tensor.storage_offset();
}

/// Joins the 16 lanes pairwise.
inline double Join(const Double8& low, const Double8& high) {
  double sums[8];
  for (int j = 0; j < 8; ++j) sums[j] = low[j] + high[j];
  return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

FLSIM_CLONES void SetScaledLoop(float* y, float a, const float* x, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) y[i] = a * x[i];
}

FLSIM_CLONES void AddScaledLoop(float* y, float a, const float* x, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) y[i] += a * x[i];
}

FLSIM_CLONES void AddScaledDifferenceLoop(float* y, float a, const float* u, const float* v,
                                          int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) y[i] += a * (u[i] - v[i]);
}

FLSIM_CLONES void ScaleLoop(float* y, float a, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) y[i] *= a;
}

FLSIM_CLONES double SubtractLoop(float* y, const float* u, const float* v, int64_t n) {
  Double8 low{}, high{};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    Float8 u0, u1, v0, v1;
    std::memcpy(&u0, u + i, sizeof u0);
    std::memcpy(&u1, u + i + 8, sizeof u1);
    std::memcpy(&v0, v + i, sizeof v0);
    std::memcpy(&v1, v + i + 8, sizeof v1);
    const Float8 y0 = u0 - v0, y1 = u1 - v1;
    std::memcpy(y + i, &y0, sizeof y0);
    std::memcpy(y + i + 8, &y1, sizeof y1);
    const Double8 d0 = __builtin_convertvector(y0, Double8);
    const Double8 d1 = __builtin_convertvector(y1, Double8);
    low += d0 * d0;
    high += d1 * d1;
  }
  for (; i < n; ++i) {
    y[i] = u[i] - v[i];
    low[i % 8] += static_cast<double>(y[i]) * y[i];
  }
  return Join(low, high);
}

FLSIM_CLONES double DotLoop(const float* x, const float* y, int64_t n) {
  Double8 low{}, high{};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    Float8 x0, x1, y0, y1;
    std::memcpy(&x0, x + i, sizeof x0);
    std::memcpy(&x1, x + i + 8, sizeof x1);
    std::memcpy(&y0, y + i, sizeof y0);
    std::memcpy(&y1, y + i + 8, sizeof y1);
    low += __builtin_convertvector(x0, Double8) * __builtin_convertvector(y0, Double8);
    high += __builtin_convertvector(x1, Double8) * __builtin_convertvector(y1, Double8);
  }
  for (; i < n; ++i) low[i % 8] += static_cast<double>(x[i]) * y[i];
  return Join(low, high);
}

FLSIM_CLONES void SgdLoop(float lr, float weight_decay, float* w, const float* g, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) w[i] -= lr * (g[i] + weight_decay * w[i]);
}

FLSIM_CLONES void FirstMomentumSgdLoop(float lr, float weight_decay, float* w, const float* g,
                                       float* m, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) {
    m[i] = g[i] + weight_decay * w[i];
    w[i] -= lr * m[i];
  }
}

FLSIM_CLONES void MomentumSgdLoop(float lr, float momentum, float weight_decay, float* w,
                                  const float* g, float* m, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) {
    m[i] = momentum * m[i] + (g[i] + weight_decay * w[i]);
    w[i] -= lr * m[i];
  }
}

/// Adam's constants of one step, rounded to float32 as PyTorch does.
struct AdamConstants {
  float weight_decay, one_minus_beta1, beta2, one_minus_beta2;
  float root_correction;  ///< sqrt(1 - beta2^t)
  float epsilon;
  float step_size;  ///< lr / (1 - beta1^t)
};

FLSIM_CLONES void AdamLoop(const AdamConstants c, float* w, const float* g, float* m, float* v,
                           int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) {
    const float gradient = g[i] + c.weight_decay * w[i];
    m[i] += c.one_minus_beta1 * (gradient - m[i]);
    v[i] = c.beta2 * v[i] + c.one_minus_beta2 * gradient * gradient;
    const float denominator = __builtin_sqrtf(v[i]) / c.root_correction + c.epsilon;
    w[i] -= c.step_size * (m[i] / denominator);
  }
}

}  // namespace

at::Tensor Zeros(int64_t n, c10::Device device) {
  at::Tensor x = Uninitialized(n, device);
  return x.zero_();
}

at::Tensor Uninitialized(int64_t n, c10::Device device) {
  at::Tensor x = at::empty({n}, at::TensorOptions(at::kFloat).device(device));
  // Read from end to end all the time; large pages spare most address translations.
  if (device.is_cpu()) AdviseHugePages(x.unsafeGetTensorImpl()->mutable_data(), x.nbytes());
  return x;
}

void Copy(const at::Tensor& y, const at::Tensor& x) {
  const int64_t n = y.numel();
  float* to = Pointer(y, n);
  const float* from = Pointer(x, n);
  if (n > 0) std::memmove(to, from, static_cast<size_t>(n) * sizeof(float));
}

void Keep(at::Tensor& y, const at::Tensor& x) {
  if (!y.defined()) y = Uninitialized(x.numel(), x.device());
  Copy(y, x);
}

void Fill(const at::Tensor& y, float value) {
  const int64_t n = y.numel();
  float* to = Pointer(y, n);
  std::fill(to, to + n, value);
}

void SetScaled(const at::Tensor& y, double a, const at::Tensor& x) {
  const int64_t n = y.numel();
  SetScaledLoop(Pointer(y, n), static_cast<float>(a), Pointer(x, n), n);
}

void AddScaled(const at::Tensor& y, double a, const at::Tensor& x) {
  const int64_t n = y.numel();
  AddScaledLoop(Pointer(y, n), static_cast<float>(a), Pointer(x, n), n);
}

void AddScaledDifference(const at::Tensor& y, double a, const at::Tensor& u, const at::Tensor& v) {
  const int64_t n = y.numel();
  AddScaledDifferenceLoop(Pointer(y, n), static_cast<float>(a), Pointer(u, n), Pointer(v, n), n);
}

double Subtract(const at::Tensor& y, const at::Tensor& u, const at::Tensor& v) {
  const int64_t n = y.numel();
  return SubtractLoop(Pointer(y, n), Pointer(u, n), Pointer(v, n), n);
}

void Scale(const at::Tensor& y, double a) {
  const int64_t n = y.numel();
  ScaleLoop(Pointer(y, n), static_cast<float>(a), n);
}

double SquaredNorm(const at::Tensor& x) {
  const int64_t n = x.numel();
  return DotLoop(Pointer(x, n), Pointer(x, n), n);
}

double Dot(const at::Tensor& x, const at::Tensor& y) {
  const int64_t n = x.numel();
  return DotLoop(Pointer(x, n), Pointer(y, n), n);
}

void Apply(const SgdStep& step, const at::Tensor& w, const at::Tensor& g, const at::Tensor& m) {
  const int64_t n = w.numel();
  Apply(step, Pointer(w, n), Pointer(g, n), step.momentum == 0 ? nullptr : Pointer(m, n), n);
}

void Apply(const SgdStep& step, float* w, const float* g, float* m, int64_t n) {
  const auto lr = static_cast<float>(step.lr);
  const auto momentum = static_cast<float>(step.momentum);
  const auto weight_decay = static_cast<float>(step.weight_decay);
  if (step.momentum == 0) {
    SgdLoop(lr, weight_decay, w, g, n);
  } else if (step.first) {
    FirstMomentumSgdLoop(lr, weight_decay, w, g, m, n);
  } else {
    MomentumSgdLoop(lr, momentum, weight_decay, w, g, m, n);
  }
}

void Apply(const AdamStep& step, const at::Tensor& w, const at::Tensor& g, const at::Tensor& m,
           const at::Tensor& v) {
  FLSIM_CHECK(step.t >= 1, step.t);
  const int64_t n = w.numel();
  if (step.t == 1) {
    Fill(m, 0);
    Fill(v, 0);
  }
  const auto t = static_cast<double>(step.t);
  AdamConstants constants;
  constants.weight_decay = static_cast<float>(step.weight_decay);
  constants.one_minus_beta1 = static_cast<float>(1 - step.beta1);
  constants.beta2 = static_cast<float>(step.beta2);
  constants.one_minus_beta2 = static_cast<float>(1 - step.beta2);
  constants.root_correction = static_cast<float>(std::sqrt(1 - std::pow(step.beta2, t)));
  constants.epsilon = static_cast<float>(step.epsilon);
  constants.step_size = static_cast<float>(step.lr / (1 - std::pow(step.beta1, t)));
  AdamLoop(constants, Pointer(w, n), Pointer(g, n), Pointer(m, n), Pointer(v, n), n);
}

}  // namespace flsim
