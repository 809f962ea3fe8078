// The steps of a fused plan. Images go through their blocks one example at a time, so that what one
// block writes is still in the cache when the next one reads it; vectors go through theirs a batch
// at a time, because a fully connected layer's weights are what has to be read.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/core/rng.h"
#include "models/backends/backends.h"
#include "models/backends/fused/memory.h"
#include "models/network.h"

namespace flsim::fused {

/// One pass of a batch, or of a part of it, through a plan.
struct Pass {
  const float* inputs = nullptr;  ///< [examples] of the network's input, as the data set has them
  int64_t examples = 0;
  float* parameters = nullptr;
  float* gradient = nullptr;           ///< added to
  Rng* rng = nullptr;                  ///< null: evaluation mode
  const StepOnTheFly* step = nullptr;  ///< with velocity at the start of the flat vector, or null
  bool training() const { return rng != nullptr; }
};

/// Work of one training step, for the plan's text.
struct Cost {
  double flops = 0;         ///< of one example, forward and backward, by the plain algorithm
  double bytes = 0;         ///< of one example's values and gradients, read or written
  double weight_bytes = 0;  ///< of weights and momentum, read or written once for the whole batch

  Cost& operator+=(const Cost& other) {
    flops += other.flops;
    bytes += other.bytes;
    weight_bytes += other.weight_bytes;
    return *this;
  }
};

/// Of a layer of `weights` weights, each used in `uses` multiply-adds, between so many values.
inline Cost CostOf(int64_t weights, int64_t uses, int64_t values, bool input_gradient) {
  Cost cost;
  cost.flops =
      2.0 * static_cast<double>(weights) * static_cast<double>(uses) * (input_gradient ? 3 : 2);
  cost.bytes = 2.0 * sizeof(float) * static_cast<double>(values);
  // Read forward; read and written, with their momentum, backward.
  cost.weight_bytes = 5.0 * sizeof(float) * static_cast<double>(weights);
  return cost;
}

class Block {
 public:
  virtual ~Block() = default;

  /// Makes room for batches of up to so many examples.
  virtual void Reserve(int64_t examples) {}
  /// Reads its weights into the layouts that its kernels want.
  virtual void Load(const Pass& pass) {}
  /// Adds its weights' gradients, summed since Load(), to the flat gradient.
  virtual void Finish(const Pass& pass) {}

  /// "conv1: 5x5 convolution 3 -> 6, ReLU, 2x2 max pooling; ..."
  virtual std::string Describe() const = 0;
  /// Nothing worth telling of what works in place.
  virtual Cost StepCost() const { return {}; }
};

class ImageBlock : public Block {
 public:
  virtual void Forward(const Pass& pass, int64_t example) = 0;
  /// From the gradient of its output to that of its input; the values are still those of the
  /// forward pass.
  virtual void Backward(const Pass& pass, int64_t example) = 0;
};

class VectorBlock : public Block {
 public:
  virtual void Forward(const Pass& pass) = 0;
  virtual void Backward(const Pass& pass) = 0;
};

/// Where a layer's weights are in the flat vectors; -1: it has none.
struct Weights {
  int64_t weight = -1, bias = -1;
};

/// The random mask of a dropout layer.
class DropoutMask {
 public:
  explicit DropoutMask(double p) : rule_(p) {}
  /// `values`: of all examples; `drawn`: at most so many at a time.
  void Reserve(int64_t values, int64_t drawn);
  void Draw(Rng& rng, int64_t drawn);
  /// y[0..n) with the draws from `draw` on; kept as values from `value` on.
  void Apply(int64_t draw, int64_t value, int64_t n, float* y);
  void Gradient(int64_t value, int64_t n, float* dy) const;

 private:
  DropoutRule rule_;
  Buffer<uint32_t> words_;
  Buffer<uint16_t> bits_;
  Buffer<uint8_t> mask_;
};

/// Gradient of the input wanted? The first layer with weights needs none.
enum class InputGradient { kWanted, kNone };

/// Does a block read the data set's own values, which lie in planes, or another block's?
enum class Source { kInput, kBlock };

std::unique_ptr<ImageBlock> MakeInputBlock(Images* out);
std::unique_ptr<ImageBlock> MakeConvBlock(const NetworkLayer& layer, const Weights& weights,
                                          bool relu, bool pool, Images* in, Images* out,
                                          InputGradient input_gradient, Source source);
std::unique_ptr<ImageBlock> MakePoolBlock(const NetworkLayer& layer, Images* in, Images* out);
std::unique_ptr<ImageBlock> MakeGroupNormBlock(const NetworkLayer& layer, const Weights& weights,
                                               Images* in, Images* out);
std::unique_ptr<ImageBlock> MakeReluBlock(const NetworkLayer& layer, Images* images);
std::unique_ptr<ImageBlock> MakeDropoutBlock(const NetworkLayer& layer, Images* images);
std::unique_ptr<ImageBlock> MakeFlattenBlock(const NetworkLayer& layer, Images* in, Vectors* out);

std::unique_ptr<VectorBlock> MakeInputBlock(Vectors* out);
std::unique_ptr<VectorBlock> MakeLinearBlock(const NetworkLayer& layer, const Weights& weights,
                                             bool relu, Vectors* in, Vectors* out,
                                             InputGradient input_gradient);
std::unique_ptr<VectorBlock> MakeReluBlock(const NetworkLayer& layer, Vectors* vectors);
std::unique_ptr<VectorBlock> MakeDropoutBlock(const NetworkLayer& layer, Vectors* vectors);

}  // namespace flsim::fused
