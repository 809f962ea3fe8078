// Pooling with any window, where it is not part of a convolution's kernel. Loops over channels are
// innermost, so that they become vectors.
#include "models/backends/fused/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "models/backends/fused/pool_kernels.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "models/backends/fused/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace flsim::fused::HWY_NAMESPACE {
namespace {

void MaxPoolForward(const PoolShape& shape, const float* x, float* y, int32_t* winner) {
  const int64_t channels = shape.channels;
  for (int64_t row = 0; row < shape.height; ++row) {
    for (int64_t c = 0; c < shape.width; ++c, winner += channels) {
      const float* window = x + shape.stride * (row * shape.in_row + c * channels);
      float* to = y + row * shape.out_row + c * channels;
      for (int64_t i = 0; i < channels; ++i) {
        to[i] = window[i];
        winner[i] = 0;
      }
      for (int64_t ky = 0; ky < shape.kernel; ++ky) {
        for (int64_t kx = 0; kx < shape.kernel; ++kx) {
          const int64_t at = ky * shape.in_row + kx * channels;
          const auto place = static_cast<int32_t>(at);
#pragma GCC ivdep
          for (int64_t i = 0; i < channels; ++i) {
            const float value = window[at + i];
            const bool larger = value > to[i] || value != value;
            to[i] = larger ? value : to[i];
            winner[i] = larger ? place : winner[i];
          }
        }
      }
    }
  }
}

void MaxPoolGradient(const PoolShape& shape, const float* dy, const int32_t* winner, float* dx) {
  const int64_t channels = shape.channels;
  for (int64_t row = 0; row < shape.height; ++row) {
    for (int64_t c = 0; c < shape.width; ++c, winner += channels) {
      float* window = dx + shape.stride * (row * shape.in_row + c * channels);
      const float* from = dy + row * shape.out_row + c * channels;
      for (int64_t i = 0; i < channels; ++i) window[winner[i] + i] += from[i];
    }
  }
}

void AveragePoolForward(const PoolShape& shape, const float* x, float* y) {
  const int64_t channels = shape.channels;
  const float share = 1 / static_cast<float>(shape.kernel * shape.kernel_width);
  for (int64_t row = 0; row < shape.height; ++row) {
    for (int64_t c = 0; c < shape.width; ++c) {
      const float* window = x + shape.stride * (row * shape.in_row + c * channels);
      float* to = y + row * shape.out_row + c * channels;
      for (int64_t i = 0; i < channels; ++i) to[i] = 0;
      for (int64_t ky = 0; ky < shape.kernel; ++ky) {
        for (int64_t kx = 0; kx < shape.kernel_width; ++kx) {
          const float* from = window + ky * shape.in_row + kx * channels;
#pragma GCC ivdep
          for (int64_t i = 0; i < channels; ++i) to[i] += from[i];
        }
      }
      for (int64_t i = 0; i < channels; ++i) to[i] *= share;
    }
  }
}

void AveragePoolGradient(const PoolShape& shape, const float* dy, float* dx) {
  const int64_t channels = shape.channels;
  const float share = 1 / static_cast<float>(shape.kernel * shape.kernel_width);
  for (int64_t row = 0; row < shape.height; ++row) {
    for (int64_t c = 0; c < shape.width; ++c) {
      float* window = dx + shape.stride * (row * shape.in_row + c * channels);
      const float* from = dy + row * shape.out_row + c * channels;
      for (int64_t ky = 0; ky < shape.kernel; ++ky) {
        for (int64_t kx = 0; kx < shape.kernel_width; ++kx) {
          float* to = window + ky * shape.in_row + kx * channels;
#pragma GCC ivdep
          for (int64_t i = 0; i < channels; ++i) to[i] += share * from[i];
        }
      }
    }
  }
}

}  // namespace
}  // namespace flsim::fused::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace flsim::fused {

HWY_EXPORT(MaxPoolForward);
void MaxPoolForward(const PoolShape& shape, const float* x, float* y, int32_t* winner) {
  HWY_DYNAMIC_DISPATCH(MaxPoolForward)(shape, x, y, winner);
}

HWY_EXPORT(MaxPoolGradient);
void MaxPoolGradient(const PoolShape& shape, const float* dy, const int32_t* winner, float* dx) {
  HWY_DYNAMIC_DISPATCH(MaxPoolGradient)(shape, dy, winner, dx);
}

HWY_EXPORT(AveragePoolForward);
void AveragePoolForward(const PoolShape& shape, const float* x, float* y) {
  HWY_DYNAMIC_DISPATCH(AveragePoolForward)(shape, x, y);
}

HWY_EXPORT(AveragePoolGradient);
void AveragePoolGradient(const PoolShape& shape, const float* dy, float* dx) {
  HWY_DYNAMIC_DISPATCH(AveragePoolGradient)(shape, dy, dx);
}

}  // namespace flsim::fused
#endif
