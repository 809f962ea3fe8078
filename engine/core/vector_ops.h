// Arithmetic on flat float32 vectors, one pass each. Every operation dispatches on the tensor's
// device; on the CPU results have the same bits on every x86-64 machine (fixed lanes, no fused
// multiply-add). All tensors of one call have the same size, are contiguous and lie on one device.
#pragma once

#include <ATen/core/Tensor.h>

namespace flsim {

/// A vector of n zeros.
at::Tensor Zeros(int64_t n, c10::Device device);
/// A vector of n unset elements.
at::Tensor Uninitialized(int64_t n, c10::Device device);

/// y = x
void Copy(const at::Tensor& y, const at::Tensor& x);
/// y = x; makes y where it is undefined.
void Keep(at::Tensor& y, const at::Tensor& x);
/// y = 0
void Fill(const at::Tensor& y, float value);
/// y = a x
void SetScaled(const at::Tensor& y, double a, const at::Tensor& x);
/// y += a x
void AddScaled(const at::Tensor& y, double a, const at::Tensor& x);
/// y += a (u - v)
void AddScaledDifference(const at::Tensor& y, double a, const at::Tensor& u, const at::Tensor& v);
/// y = u - v; returns ||y||^2, summed in double precision. NaN and Inf show in the result.
double Subtract(const at::Tensor& y, const at::Tensor& u, const at::Tensor& v);
/// y = a y
void Scale(const at::Tensor& y, double a);
/// ||x||^2, summed in double precision.
double SquaredNorm(const at::Tensor& x);
/// x . y, summed in double precision.
double Dot(const at::Tensor& x, const at::Tensor& y);

/// One step of SGD as PyTorch defines it: g += weight_decay w; m = first ? g : momentum m + g; w -=
/// lr m. `m` is unused (may be undefined) when momentum is 0. g is left as it was.
struct SgdStep {
  double lr, momentum, weight_decay;
  bool first;  ///< m holds nothing yet
};
void Apply(const SgdStep& step, const at::Tensor& w, const at::Tensor& g, const at::Tensor& m);
/// The same for n elements in the CPU's memory.
void Apply(const SgdStep& step, float* w, const float* g, float* m, int64_t n);

/// One step of Adam (Kingma and Ba, 2015) as PyTorch defines it, with L2 weight decay and bias
/// correction.
struct AdamStep {
  double lr, beta1, beta2, epsilon, weight_decay;
  int64_t t;  ///< 1 for the first step; then m and v are taken as zero
};
void Apply(const AdamStep& step, const at::Tensor& w, const at::Tensor& g, const at::Tensor& m,
           const at::Tensor& v);

}  // namespace flsim
