// The arithmetic of the fused backend. Each function is compiled for several instruction sets
// (AVX-512, AVX2 with FMA, and a portable one) and the best that the processor has is chosen when
// the program runs. Plain pointers and sizes; nothing here allocates or checks.
//
// Layouts, for one example:
//   image     [height][width][channels], rows `row` floats apart, so that a border of zeros may
//             surround it; a convolution is handed the corner of its first window and knows no
//             padding
//   packed    a convolution's weights for the forward pass: [outputs / 16][ky][kx][input][16], the
//             outputs filled up with zeros to a multiple of 16
//   rows      a convolution's weights for the backward pass: [output][ky][kTapRow(kx, input)], each
//             row of a kernel filled up with zeros
//   winner    [pooled pixel][channel], one byte: which of its window's 2x2 values a pooled value
//             is, 2 y + x; kDead if ReLU made it zero
// A kernel may read up to kSlack floats behind the last one of an image, and may write some back:
// as they were, or, where a layout says that it is filled up, anything.
#pragma once

#include <cstdint>

#include "models/backends/fused/targets.h"

namespace flsim::fused {

constexpr int64_t kBlock = 16;  ///< output channels in a block of packed weights
constexpr int64_t kSlack = 64;  ///< readable floats behind every buffer
/// Examples in a pass of fully connected layers, at most.
constexpr int64_t kMostExamplesOfPass = 64;

constexpr int64_t RoundUp(int64_t n, int64_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

/// A convolution of one example.
struct ConvShape {
  int64_t inputs = 0, outputs = 0;  ///< channels
  int64_t kernel = 1, stride = 1;
  int64_t in_row = 0;             ///< floats from one row of the input to the next
  int64_t height = 0, width = 0;  ///< of the output, before pooling
  int64_t out_row = 0;            ///< floats from one row of what is stored to the next
  bool relu = false;
  bool pool = false;  ///< 2x2 maximum, stride 2; an odd last row or column is dropped

  int64_t taps() const { return kernel * inputs; }  ///< of one row of the kernel
  int64_t tap_row() const { return RoundUp(taps(), kBlock); }
  int64_t pooled_height() const { return pool ? height / 2 : height; }
  int64_t pooled_width() const { return pool ? width / 2 : width; }
  int64_t padded_outputs() const { return RoundUp(outputs, kBlock); }
};

/// The name of the instruction set in use.
const char* InstructionSet();

/// y = pool(relu(conv(x) + bias)), as the shape says. bias [RoundUp(outputs, 16)]; y: the corner of
/// the output's interior; winner: null unless pooled.
void ConvForward(const ConvShape& shape, const float* x, const float* packed, const float* bias,
                 float* y, uint8_t* winner);

/// The same for few output channels and many columns: vectors run along a row of the image. x:
/// planes [inputs][in_height][in_width] without a border, stride 1; weights
/// [inputs][ky][kx][output]. Only with pooling.
bool PlanarConvFits(const ConvShape& shape);
void PlanarConvForward(const ConvShape& shape, const float* planes, int64_t in_height,
                       int64_t in_width, const float* weights, const float* bias, float* y,
                       uint8_t* winner);

/// The same by Winograd's minimal filtering F(2x2, kxk) (Lavin and Gray, 2016, "Fast algorithms for
/// convolutional neural networks"; Winograd, 1980): 2.25 times fewer multiplications for k = 3,
/// 2.8 for k = 5. Needs kernel 3 or 5, stride 1, channels in multiples of 16 and an even output.
bool WinogradFits(const ConvShape& shape);
/// Floats of the transformed weights, and of scratch memory.
int64_t WinogradWeights(const ConvShape& shape);
int64_t WinogradScratch(const ConvShape& shape);
/// transformed[a][b][output / 16][input][16] = G w G'
void WinogradTransform(const ConvShape& shape, const float* packed, float* transformed);
void WinogradForward(const ConvShape& shape, const float* x, const float* transformed,
                     const float* bias, float* scratch, float* y, uint8_t* winner);

/// What a pooled convolution's backward pass works on: the values of dy that are not zero and not
/// dead, which are at most one in four of the convolution's outputs and fewer behind ReLU and
/// dropout.
constexpr int kDead = 4;
struct Winners {
  const ConvShape* shape;
  const float* dy;  ///< [pooled height][pooled width][outputs], rows dy_row apart
  int64_t dy_row;
  const uint8_t* winner;  ///< [pooled pixels][outputs], readable kBlock bytes beyond its end
};
/// Floats of scratch memory of the two below.
int64_t SparseScratch(const ConvShape& shape);
/// dw (rows) and db += the gradients of weights and bias.
void SparseWeightGradient(const Winners& winners, const float* x, float* scratch, float* dw,
                          float* db);
/// dx += the gradient of the input; w in rows.
void SparseInputGradient(const Winners& winners, const float* w, float* scratch, float* dx);

/// dw (taps-major: [ky][kx][input][padded outputs]) += the gradient of the weights. dy: rows dy_row
/// floats apart, pixels dy_pixel apart, padded outputs each.
void DenseWeightGradient(const ConvShape& shape, const float* x, const float* dy, int64_t dy_row,
                         int64_t dy_pixel, float* dw);

/// A pooling layer of one example; windows lie wholly inside the input.
struct PoolShape {
  int64_t channels = 0;
  int64_t kernel = 2, kernel_width = 2, stride = 2;  ///< rows and columns of the window
  int64_t in_row = 0, out_row = 0;                   ///< floats from one row to the next
  int64_t height = 0, width = 0;                     ///< of the output
};
/// winner [pixel][channel]: where the largest value is, in floats from the window's corner.
void MaxPoolForward(const PoolShape& shape, const float* x, float* y, int32_t* winner);
/// dx += the gradient of the input; likewise below.
void MaxPoolGradient(const PoolShape& shape, const float* dy, const int32_t* winner, float* dx);
void AveragePoolForward(const PoolShape& shape, const float* x, float* y);
void AveragePoolGradient(const PoolShape& shape, const float* dy, float* dx);

/// A group normalisation of one example; only its output may have a border. scratch: 3 floats a
/// channel.
struct NormShape {
  int64_t channels = 0, groups = 1, height = 0, width = 0;
  int64_t out_row = 0;  ///< floats from one row of y and dy to the next
  double epsilon = 0;   ///< joins the variance
};
/// xhat [pixels][channels] and inverse [channels], one over the standard deviation, are what the
/// gradient needs again.
void GroupNormForward(const NormShape& shape, const float* x, const float* gamma, const float* beta,
                      float* scratch, float* xhat, float* inverse, float* y);
/// dgamma and dbeta are added to; dx is replaced.
void GroupNormGradient(const NormShape& shape, const float* dy, const float* gamma,
                       const float* xhat, const float* inverse, float* scratch, float* dgamma,
                       float* dbeta, float* dx);

/// One step of SGD on the fly, see SgdStep; `momentum` and `velocity` unused if momentum is 0.
struct StepOnTheFly {
  float lr, momentum, weight_decay;
  bool first;
  float* velocity;
};

/// y = x W' + b: x [n][x_stride], W [outputs][inputs], y [n][y_stride]. x is zero from `inputs` to
/// the next multiple of 16.
void LinearForward(int64_t n, int64_t inputs, int64_t outputs, const float* x, int64_t x_stride,
                   const float* w, const float* b, float* y, int64_t y_stride);

/// dx = dy W (unless null; it must be zeroed) and dW = dy' x, which is added to dw or, with `step`,
/// never stored: W takes its step instead, dx being the gradient at the former W.
void LinearBackward(int64_t n, int64_t inputs, int64_t outputs, const float* x, int64_t x_stride,
                    float* w, const float* dy, int64_t dy_stride, float* dx, float* dw,
                    const StepOnTheFly* step);

/// Collects the gradient of a layer's output, 0 where `relu` and y is not above 0, and adds it up:
/// to [height][width] pixels of to_pixel floats, rows to_row apart, and sum[c] += over all pixels.
/// y and dy have rows from_row apart.
void TakeGradient(int64_t height, int64_t width, int64_t channels, bool relu, const float* y,
                  const float* dy, int64_t from_row, float* to, int64_t to_row, int64_t to_pixel,
                  float* sum);

/// y = max(y, 0), NaN stays.
void Relu(int64_t n, float* y);
/// dy = 0 where y is not above 0.
void ReluGradient(int64_t n, const float* y, float* dy);
/// sum[c] += sum of x[i][c] over n rows `stride` apart.
void AddRows(int64_t n, int64_t columns, const float* x, int64_t stride, float* sum);
/// Planes [channels][pixels] to pixels [pixels][channels], rows of `width` pixels `out_row` apart.
void PlanesToPixels(int64_t channels, int64_t height, int64_t width, const float* planes,
                    float* pixels, int64_t row);
void PixelsToPlanes(int64_t channels, int64_t height, int64_t width, const float* pixels,
                    int64_t row, float* planes);
/// y *= scale where bits (16 of each value) are at least `dropped`, else y = 0; mask says which.
void DropoutForward(int64_t n, const uint16_t* bits, uint16_t dropped, float scale, float* y,
                    uint8_t* mask);
void DropoutGradient(int64_t n, const uint8_t* mask, float scale, float* dy);

}  // namespace flsim::fused
