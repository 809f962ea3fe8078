// Group normalisation of one example (Wu and He, 2018): with the mean and the standard deviation of
// each group of channels over all pixels,
//   xhat = (x - mean) / sqrt(variance + epsilon)      y = gamma xhat + beta
//   dx = (gamma dy - mean(gamma dy) - xhat mean(gamma dy xhat)) / sqrt(variance + epsilon)
// Sums go by channel first, in vectors, then over the channels of a group.
#include <cmath>

#include "models/backends/fused/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "models/backends/fused/norm_kernels.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "models/backends/fused/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace flsim::fused::HWY_NAMESPACE {
namespace {

/// sum[c] = sum over pixels of value(place, place in the output, c), added up by rows of the image
/// so that rounding grows with the side of the image, not its area.
template <class Value>
HWY_INLINE void SumPixels(const NormShape& shape, float* row_sum, float* sum, const Value& value) {
  const int64_t channels = shape.channels;
  for (int64_t c = 0; c < channels; ++c) sum[c] = 0;
  for (int64_t y = 0; y < shape.height; ++y) {
    for (int64_t c = 0; c < channels; ++c) row_sum[c] = 0;
    for (int64_t x = 0; x < shape.width; ++x) {
      const int64_t in = (y * shape.width + x) * channels, out = y * shape.out_row + x * channels;
#pragma GCC ivdep
      for (int64_t c = 0; c < channels; ++c) row_sum[c] += value(in + c, out + c, c);
    }
    for (int64_t c = 0; c < channels; ++c) sum[c] += row_sum[c];
  }
}

/// Replaces each channel's sum by the mean over its group.
HWY_INLINE void GroupMeans(const NormShape& shape, float* sum) {
  const int64_t size = shape.channels / shape.groups;
  const auto count = static_cast<double>(size * shape.height * shape.width);
  for (int64_t g = 0; g < shape.channels; g += size) {
    double total = 0;
    for (int64_t c = g; c < g + size; ++c) total += sum[c];
    for (int64_t c = g; c < g + size; ++c) sum[c] = static_cast<float>(total / count);
  }
}

void GroupNormForward(const NormShape& shape, const float* x, const float* gamma, const float* beta,
                      float* scratch, float* xhat, float* inverse, float* y) {
  const int64_t channels = shape.channels;
  float *mean = scratch, *row_sum = scratch + channels;
  SumPixels(shape, row_sum, mean, [&](int64_t in, int64_t, int64_t) HWY_ATTR { return x[in]; });
  GroupMeans(shape, mean);
  SumPixels(shape, row_sum, inverse, [&](int64_t in, int64_t, int64_t c) HWY_ATTR {
    const float centred = x[in] - mean[c];
    return centred * centred;
  });
  GroupMeans(shape, inverse);
  for (int64_t c = 0; c < channels; ++c) {
    inverse[c] = static_cast<float>(1 / std::sqrt(static_cast<double>(inverse[c]) + shape.epsilon));
  }
  for (int64_t row = 0; row < shape.height; ++row, y += shape.out_row) {
    for (int64_t to = 0; to < shape.width * channels; to += channels) {
      const int64_t at = row * shape.width * channels + to;
#pragma GCC ivdep
      for (int64_t c = 0; c < channels; ++c) {
        const float normal = (x[at + c] - mean[c]) * inverse[c];
        xhat[at + c] = normal;
        y[to + c] = gamma[c] * normal + beta[c];
      }
    }
  }
}

void GroupNormGradient(const NormShape& shape, const float* dy, const float* gamma,
                       const float* xhat, const float* inverse, float* scratch, float* dgamma,
                       float* dbeta, float* dx) {
  const int64_t channels = shape.channels;
  float *sum = scratch, *product = scratch + channels, *row_sum = scratch + 2 * channels;
  SumPixels(shape, row_sum, sum, [&](int64_t, int64_t out, int64_t) HWY_ATTR { return dy[out]; });
  SumPixels(shape, row_sum, product,
            [&](int64_t in, int64_t out, int64_t) HWY_ATTR { return dy[out] * xhat[in]; });
  for (int64_t c = 0; c < channels; ++c) {
    dbeta[c] += sum[c];
    dgamma[c] += product[c];
    sum[c] *= gamma[c];
    product[c] *= gamma[c];
  }
  GroupMeans(shape, sum);
  GroupMeans(shape, product);
  for (int64_t y = 0; y < shape.height; ++y, dy += shape.out_row) {
    for (int64_t from = 0; from < shape.width * channels; from += channels) {
      const int64_t at = y * shape.width * channels + from;
#pragma GCC ivdep
      for (int64_t c = 0; c < channels; ++c) {
        dx[at + c] = (gamma[c] * dy[from + c] - sum[c] - xhat[at + c] * product[c]) * inverse[c];
      }
    }
  }
}

}  // namespace
}  // namespace flsim::fused::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace flsim::fused {

HWY_EXPORT(GroupNormForward);
void GroupNormForward(const NormShape& shape, const float* x, const float* gamma, const float* beta,
                      float* scratch, float* xhat, float* inverse, float* y) {
  HWY_DYNAMIC_DISPATCH(GroupNormForward)(shape, x, gamma, beta, scratch, xhat, inverse, y);
}

HWY_EXPORT(GroupNormGradient);
void GroupNormGradient(const NormShape& shape, const float* dy, const float* gamma,
                       const float* xhat, const float* inverse, float* scratch, float* dgamma,
                       float* dbeta, float* dx) {
  HWY_DYNAMIC_DISPATCH(GroupNormGradient)
  (shape, dy, gamma, xhat, inverse, scratch, dgamma, dbeta, dx);
}

}  // namespace flsim::fused
#endif
