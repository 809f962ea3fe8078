// Everything that touches each value once: ReLU, dropout, column sums, and pixels to planes. Plain
// loops that the compiler turns into vectors for each instruction set.
#include "models/backends/fused/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "models/backends/fused/elementwise.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "models/backends/fused/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace flsim::fused::HWY_NAMESPACE {
namespace {

const char* TargetName() {
  return HWY_TARGET == HWY_AVX3 ? "AVX-512" : HWY_TARGET == HWY_AVX2 ? "AVX2" : "portable";
}

void Relu(int64_t n, float* y) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t i = 0; i < n; i += lanes) {
    const auto count = static_cast<size_t>(n - i < lanes ? n - i : lanes);
    StoreFirst(ReluOf(LoadFirst(count, y + i)), count, y + i);
  }
}

void ReluGradient(int64_t n, const float* y, float* dy) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t i = 0; i < n; i += lanes) {
    const auto count = static_cast<size_t>(n - i < lanes ? n - i : lanes);
    const M dead = hn::Le(LoadFirst(count, y + i), hn::Zero(d));
    StoreFirst(hn::IfThenZeroElse(dead, LoadFirst(count, dy + i)), count, dy + i);
  }
}

void AddRows(int64_t n, int64_t columns, const float* x, int64_t stride, float* sum) {
  for (int64_t i = 0; i < n; ++i, x += stride) {
#pragma GCC ivdep
    for (int64_t c = 0; c < columns; ++c) sum[c] += x[c];
  }
}

void TakeGradient(int64_t height, int64_t width, int64_t channels, bool relu, const float* y,
                  const float* dy, int64_t from_row, float* to, int64_t to_row, int64_t to_pixel,
                  float* sum) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto copy = [&](int64_t count, const float* values, const float* from, float* into)
                        HWY_ATTR {
                          const auto some = static_cast<size_t>(count < lanes ? count : lanes);
                          V g = LoadFirst(some, from);
                          if (relu)
                            g = hn::IfThenZeroElse(hn::Le(LoadFirst(some, values), hn::Zero(d)), g);
                          StoreFirst(g, some, into);
                        };
  for (int64_t row = 0; row < height; ++row, y += from_row, dy += from_row, to += to_row) {
    if (to_pixel == channels) {
      const int64_t size = width * channels;
      for (int64_t i = 0; i < size; i += lanes) copy(size - i, y + i, dy + i, to + i);
    } else {
      for (int64_t c = 0; c < width; ++c) {
        for (int64_t i = 0; i < channels; i += lanes) {
          copy(channels - i, y + c * channels + i, dy + c * channels + i, to + c * to_pixel + i);
        }
      }
    }
    AddRows(width, channels, to, to_pixel, sum);
  }
}

void PlanesToPixels(int64_t channels, int64_t height, int64_t width, const float* planes,
                    float* pixels, int64_t row) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t plane = height * width;
  for (int64_t y = 0; y < height; ++y, planes += width, pixels += row) {
    int64_t x = 0;
    if (channels == 3) {
      for (; x + lanes <= width; x += lanes) {
        hn::StoreInterleaved3(hn::LoadU(d, planes + x), hn::LoadU(d, planes + plane + x),
                              hn::LoadU(d, planes + 2 * plane + x), d, pixels + 3 * x);
      }
    }
    for (; x < width; ++x) {
      for (int64_t c = 0; c < channels; ++c) pixels[x * channels + c] = planes[c * plane + x];
    }
  }
}

void PixelsToPlanes(int64_t channels, int64_t height, int64_t width, const float* pixels,
                    int64_t row, float* planes) {
  const int64_t plane = height * width;
  for (int64_t c = 0; c < channels; ++c, planes += plane) {
    for (int64_t y = 0; y < height; ++y) {
      const float* from = pixels + y * row + c;
      for (int64_t x = 0; x < width; ++x) planes[y * width + x] = from[x * channels];
    }
  }
}

void DropoutForward(int64_t n, const uint16_t* bits, uint16_t dropped, float scale, float* y,
                    uint8_t* mask) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) {
    const bool kept = bits[i] >= dropped;
    mask[i] = kept ? 1 : 0;
    y[i] *= kept ? scale : 0.0f;
  }
}

void DropoutGradient(int64_t n, const uint8_t* mask, float scale, float* dy) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) dy[i] *= mask[i] != 0 ? scale : 0.0f;
}

}  // namespace
}  // namespace flsim::fused::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace flsim::fused {

HWY_EXPORT(TargetName);
const char* InstructionSet() { return HWY_DYNAMIC_DISPATCH(TargetName)(); }

HWY_EXPORT(Relu);
void Relu(int64_t n, float* y) { HWY_DYNAMIC_DISPATCH(Relu)(n, y); }

HWY_EXPORT(ReluGradient);
void ReluGradient(int64_t n, const float* y, float* dy) {
  HWY_DYNAMIC_DISPATCH(ReluGradient)(n, y, dy);
}

HWY_EXPORT(TakeGradient);
void TakeGradient(int64_t height, int64_t width, int64_t channels, bool relu, const float* y,
                  const float* dy, int64_t from_row, float* to, int64_t to_row, int64_t to_pixel,
                  float* sum) {
  HWY_DYNAMIC_DISPATCH(TakeGradient)
  (height, width, channels, relu, y, dy, from_row, to, to_row, to_pixel, sum);
}

HWY_EXPORT(AddRows);
void AddRows(int64_t n, int64_t columns, const float* x, int64_t stride, float* sum) {
  HWY_DYNAMIC_DISPATCH(AddRows)(n, columns, x, stride, sum);
}

HWY_EXPORT(PlanesToPixels);
void PlanesToPixels(int64_t channels, int64_t height, int64_t width, const float* planes,
                    float* pixels, int64_t row) {
  HWY_DYNAMIC_DISPATCH(PlanesToPixels)(channels, height, width, planes, pixels, row);
}

HWY_EXPORT(PixelsToPlanes);
void PixelsToPlanes(int64_t channels, int64_t height, int64_t width, const float* pixels,
                    int64_t row, float* planes) {
  HWY_DYNAMIC_DISPATCH(PixelsToPlanes)(channels, height, width, pixels, row, planes);
}

HWY_EXPORT(DropoutForward);
void DropoutForward(int64_t n, const uint16_t* bits, uint16_t dropped, float scale, float* y,
                    uint8_t* mask) {
  HWY_DYNAMIC_DISPATCH(DropoutForward)(n, bits, dropped, scale, y, mask);
}

HWY_EXPORT(DropoutGradient);
void DropoutGradient(int64_t n, const uint8_t* mask, float scale, float* dy) {
  HWY_DYNAMIC_DISPATCH(DropoutGradient)(n, mask, scale, dy);
}

}  // namespace flsim::fused
#endif
