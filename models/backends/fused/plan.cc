#include "models/backends/fused/plan.h"

#include <algorithm>
#include <iomanip>
#include <sstream>

#include "engine/core/error.h"

namespace flsim::fused {
namespace {

template <class Spec>
bool Is(const NetworkLayer& layer) {
  return std::holds_alternative<Spec>(layer.spec);
}

/// Dropout that drops something.
bool IsDropout(const NetworkLayer& layer) {
  const auto* dropout = std::get_if<Dropout>(&layer.spec);
  return dropout != nullptr && dropout->p > 0;
}

bool InPlace(const NetworkLayer& layer) { return Is<flsim::Relu>(layer) || Is<Dropout>(layer); }

/// 2x2 maximum with stride 2, which a convolution's kernels do on the way.
bool IsSmallPool(const NetworkLayer& layer) {
  const auto* pool = std::get_if<MaxPool>(&layer.spec);
  return pool != nullptr && pool->kernel == 2 && pool->stride.value_or(2) == 2;
}

/// The border of zeros that the reader of an image wants: its padding if it is a convolution.
int64_t BorderFor(const std::vector<NetworkLayer>& layers, size_t reader) {
  while (reader < layers.size() && InPlace(layers[reader])) ++reader;
  const auto* conv = reader < layers.size() ? std::get_if<Conv>(&layers[reader].spec) : nullptr;
  return conv == nullptr ? 0 : conv->padding;
}

int64_t Count(const Shape& shape) {
  int64_t count = 1;
  for (const int64_t side : shape) count *= side;
  return count;
}

Weights WeightsOf(const Network& network, const NetworkLayer& layer) {
  Weights weights;
  weights.weight = network.parameters[layer.weight].offset;
  if (layer.bias >= 0) weights.bias = network.parameters[layer.bias].offset;
  return weights;
}

}  // namespace

std::string WhyNoPlan(const Network& network) {
  for (const NetworkLayer& layer : network.layers) {
    // Offsets inside a layer are of 32 bits.
    constexpr int64_t kMost = int64_t{1} << 24;
    if (Count(layer.input) > kMost || Count(layer.output) > kMost ||
        (layer.weight >= 0 && network.parameters[layer.weight].size > 8 * kMost)) {
      return "has no kernel for a layer as large as " + layer.id;
    }
    const std::string where = " (layer " + layer.id + ")";
    const auto* conv = std::get_if<Conv>(&layer.spec);
    if (conv != nullptr && conv->padding >= conv->kernel) {
      return "has no kernel for a convolution with padding as large as its kernel" + where;
    }
    if (Is<BatchNorm>(layer) || Is<Residual>(layer))
      return "has no kernel for " + layer.kind + where;
    if (Is<GroupNorm>(layer) && layer.input.size() != 3) {
      return "has no kernel for group_norm of vectors" + where;
    }
  }
  return "";
}

Plan::Plan(const Network& network) {
  FLSIM_CHECK(WhyNoPlan(network).empty());
  size_t i = 0;
  if (network.input.size() == 3 && !Is<Flatten>(network.layers[0])) {
    AddImages(network, i);
  } else {
    vector_blocks_.push_back(MakeInputBlock(NewVectors(Count(network.input))));
  }
  AddVectors(network, i);
}

Images* Plan::NewImages(const Shape& shape, int64_t border) {
  images_.push_back(std::make_unique<Images>());
  images_.back()->shape = {shape[0], shape[1], shape[2], border};
  return images_.back().get();
}

Vectors* Plan::NewVectors(int64_t size) {
  vectors_.push_back(std::make_unique<Vectors>());
  vectors_.back()->size = size;
  return vectors_.back().get();
}

InputGradient Plan::NextInputGradient() {
  if (!learning_) {
    learning_ = true;
    first_image_ = image_blocks_.size();
    first_vector_ = vector_blocks_.size();
    return InputGradient::kNone;
  }
  return InputGradient::kWanted;
}

void Plan::AddImages(const Network& network, size_t& i) {
  const std::vector<NetworkLayer>& layers = network.layers;
  Images* in = NewImages(network.input, BorderFor(layers, 0));
  image_blocks_.push_back(MakeInputBlock(in));
  for (; !Is<Flatten>(layers[i]); ++i) {
    const NetworkLayer& layer = layers[i];
    if (Is<flsim::Relu>(layer)) {
      image_blocks_.push_back(MakeReluBlock(layer, in));
    } else if (Is<Dropout>(layer)) {
      if (IsDropout(layer)) image_blocks_.push_back(MakeDropoutBlock(layer, in));
    } else if (Is<Conv>(layer)) {
      // ReLU and 2x2 maximum commute, so either order is the same block.
      bool relu = false, pool = false;
      for (;; ++i) {
        if (!relu && Is<flsim::Relu>(layers[i + 1])) {
          relu = true;
        } else if (!pool && IsSmallPool(layers[i + 1])) {
          pool = true;
        } else {
          break;
        }
      }
      Images* out = NewImages(layers[i].output, BorderFor(layers, i + 1));
      const Source source = image_blocks_.size() == 1 ? Source::kInput : Source::kBlock;
      const InputGradient input_gradient = NextInputGradient();
      image_blocks_.push_back(MakeConvBlock(layer, WeightsOf(network, layer), relu, pool, in, out,
                                            input_gradient, source));
      in = out;
    } else {
      Images* out = NewImages(layer.output, BorderFor(layers, i + 1));
      if (Is<GroupNorm>(layer)) {
        NextInputGradient();
        image_blocks_.push_back(MakeGroupNormBlock(layer, WeightsOf(network, layer), in, out));
      } else {
        image_blocks_.push_back(MakePoolBlock(layer, in, out));
      }
      in = out;
    }
  }
  image_blocks_.push_back(MakeFlattenBlock(layers[i], in, NewVectors(in->shape.values())));
  ++i;
}

void Plan::AddVectors(const Network& network, size_t i) {
  const std::vector<NetworkLayer>& layers = network.layers;
  for (; i < layers.size(); ++i) {
    const NetworkLayer& layer = layers[i];
    Vectors* in = vectors_.back().get();
    if (Is<flsim::Relu>(layer)) {
      vector_blocks_.push_back(MakeReluBlock(layer, in));
    } else if (Is<Dropout>(layer)) {
      if (IsDropout(layer)) vector_blocks_.push_back(MakeDropoutBlock(layer, in));
    } else if (Is<Linear>(layer)) {
      const bool relu = i + 1 < layers.size() && Is<flsim::Relu>(layers[i + 1]);
      if (relu) ++i;
      const Weights weights = WeightsOf(network, layer);
      const InputGradient input_gradient = NextInputGradient();
      stepped_.push_back({weights.weight, layer.input[0] * layer.output[0]});
      vector_blocks_.push_back(
          MakeLinearBlock(layer, weights, relu, in, NewVectors(layer.output[0]), input_gradient));
    } else {
      FLSIM_CHECK(Is<Flatten>(layer), layer.kind);  // a row already
    }
  }
}

void Plan::Reserve(int64_t examples) {
  for (const auto& images : images_) images->Reserve(examples);
  for (const auto& vectors : vectors_) vectors->Reserve(examples);
  for (const auto& block : image_blocks_) block->Reserve(examples);
  for (const auto& block : vector_blocks_) block->Reserve(examples);
}

void Plan::Load(const Pass& pass) {
  for (const auto& block : image_blocks_) block->Load(pass);
}

void Plan::Finish(const Pass& pass) {
  for (const auto& block : image_blocks_) block->Finish(pass);
}

void Plan::Forward(const Pass& pass) {
  for (int64_t example = 0; example < pass.examples; ++example) {
    for (const auto& block : image_blocks_) block->Forward(pass, example);
  }
  for (const auto& block : vector_blocks_) block->Forward(pass);
}

void Plan::Backward(const Pass& pass) {
  for (size_t i = vector_blocks_.size(); i-- > first_vector_;) vector_blocks_[i]->Backward(pass);
  for (int64_t example = 0; example < pass.examples; ++example) {
    for (size_t i = image_blocks_.size(); i-- > first_image_;) {
      image_blocks_[i]->Backward(pass, example);
    }
  }
}

std::string Plan::Describe() const {
  std::vector<const Block*> blocks;
  for (const auto& block : image_blocks_) blocks.push_back(block.get());
  for (const auto& block : vector_blocks_) blocks.push_back(block.get());
  std::ostringstream text;
  text << std::fixed << std::setprecision(2);
  Cost total;
  for (const Block* block : blocks) {
    const Cost cost = block->StepCost();
    total += cost;
    text << "  " << block->Describe();
    if (cost.flops > 0) text << " (" << cost.flops / 1e6 << " MFLOP an example)";
    text << "\n";
  }
  constexpr int kBatch = 32;
  text << "  a step of " << kBatch << " examples: " << kBatch * total.flops / 1e6 << " MFLOP, "
       << (kBatch * total.bytes + total.weight_bytes) / 1e6
       << " MB of values, weights and momentum read or written\n";
  return text.str();
}

}  // namespace flsim::fused
