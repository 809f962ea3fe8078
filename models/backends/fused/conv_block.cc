// Convolution with what follows it: ReLU and 2x2 max pooling. Chooses the kernels:
//   forward   along the image for few channels (conv_planar), Winograd for many (conv_winograd),
//             else direct (conv_direct)
//   backward  sparse behind pooling (conv_sparse); dense otherwise: the weights' gradient by
//             conv_dense, the input's as a convolution of the output's gradient with the kernel
//             turned around, which uses the forward kernels
#include <algorithm>

#include "engine/core/error.h"
#include "models/backends/fused/blocks.h"

namespace flsim::fused {
namespace {

/// A convolution with its weights in the layout of the kernel that runs it.
class Convolution {
 public:
  /// `planes`: the shape of the data set's planes, if that is what it reads; else null.
  Convolution(const ConvShape& shape, const ImageShape* planes) : shape_(shape) {
    if (planes != nullptr && planes->border == 0 && PlanarConvFits(shape)) {
      kernel_ = Kernel::kPlanar;
      planes_ = *planes;
    } else if (WinogradFits(shape)) {
      kernel_ = Kernel::kWinograd;
    }
  }

  void Reserve() {
    bias_.Reserve(shape_.padded_outputs());
    packed_.Reserve(shape_.padded_outputs() * shape_.kernel * shape_.taps());
    if (kernel_ == Kernel::kPlanar) scratch_.Reserve(planes_.values());
    if (kernel_ == Kernel::kWinograd) {
      transformed_.Reserve(WinogradWeights(shape_));
      scratch_.Reserve(WinogradScratch(shape_));
    }
  }

  /// weight(output, ky, kx, input)
  template <class Weight>
  void Load(const Weight& weight, const float* bias) {
    if (bias != nullptr) std::copy_n(bias, shape_.outputs, bias_.data());
    float* to = packed_.data();
    const int64_t k = shape_.kernel;
    if (kernel_ == Kernel::kPlanar) {
      for (int64_t i = 0; i < shape_.inputs; ++i) {
        for (int64_t tap = 0; tap < k * k; ++tap) {
          for (int64_t o = 0; o < shape_.outputs; ++o) *to++ = weight(o, tap / k, tap % k, i);
        }
      }
      return;
    }
    for (int64_t block = 0; block < shape_.outputs; block += kBlock) {
      const int64_t count = std::min(kBlock, shape_.outputs - block);
      for (int64_t tap = 0; tap < k * k; ++tap) {
        for (int64_t i = 0; i < shape_.inputs; ++i, to += kBlock) {
          for (int64_t o = 0; o < count; ++o) to[o] = weight(block + o, tap / k, tap % k, i);
        }
      }
    }
    if (kernel_ == Kernel::kWinograd) {
      WinogradTransform(shape_, packed_.data(), transformed_.data());
    }
  }

  /// x: the corner of the first window; planes: the example as the data set has it, or null;
  /// behind: how many values may be read behind its end.
  void Run(const float* x, const float* planes, int64_t behind, float* y, uint8_t* winner) const {
    switch (kernel_) {
      case Kernel::kPlanar:
        FLSIM_CHECK(planes != nullptr);
        if (behind < kSlack) {  // the kernel reads a little further than the end
          std::copy_n(planes, planes_.values(), scratch_.data());
          planes = scratch_.data();
        }
        return PlanarConvForward(shape_, planes, planes_.height, planes_.width, packed_.data(),
                                 bias_.data(), y, winner);
      case Kernel::kWinograd:
        return WinogradForward(shape_, x, transformed_.data(), bias_.data(), scratch_.data(), y,
                               winner);
      case Kernel::kDirect:
        return ConvForward(shape_, x, packed_.data(), bias_.data(), y, winner);
    }
  }

  std::string Name() const {
    return kernel_ == Kernel::kPlanar     ? "along rows"
           : kernel_ == Kernel::kWinograd ? "Winograd"
                                          : "direct";
  }

 private:
  enum class Kernel { kDirect, kPlanar, kWinograd };

  ConvShape shape_;
  ImageShape planes_;
  Kernel kernel_ = Kernel::kDirect;
  Buffer<float> packed_, bias_, transformed_, scratch_;
};

/// dy for the dense backward pass: as the outputs of the same convolution with stride 1, of which
/// only every stride-th is there and the others are zero; so turning it around needs no special
/// case.
ImageShape GradientShape(const ConvShape& shape, const ImageShape& in) {
  return {shape.padded_outputs(), in.height + 2 * in.border - shape.kernel + 1,
          in.width + 2 * in.border - shape.kernel + 1, shape.kernel - 1 - in.border};
}

/// The gradient of the input as a convolution of dy.
ConvShape Backwards(const ConvShape& shape, const ImageShape& in) {
  ConvShape back;
  back.inputs = shape.padded_outputs();
  back.outputs = shape.inputs;
  back.kernel = shape.kernel;
  back.in_row = GradientShape(shape, in).row();
  back.height = in.height;
  back.width = in.width;
  back.out_row = in.row();
  return back;
}

class ConvBlock : public ImageBlock {
 public:
  ConvBlock(const NetworkLayer& layer, const Weights& weights, bool relu, bool pool, Images* in,
            Images* out, InputGradient input_gradient, Source source)
      : id_(layer.id),
        weights_(weights),
        in_(*in),
        out_(*out),
        wants_input_gradient_(input_gradient == InputGradient::kWanted),
        shape_(ShapeOf(layer, relu, pool, *in, *out)),
        forward_(shape_, source == Source::kInput ? &in->shape : nullptr),
        dy_shape_(GradientShape(shape_, in->shape)),
        backward_(Backwards(shape_, in->shape), nullptr) {}

  void Reserve(int64_t examples) override {
    forward_.Reserve();
    db_.Reserve(shape_.padded_outputs());
    if (shape_.pool) {
      winner_.Reserve(examples * out_.shape.values());
      rows_.Reserve(shape_.outputs * shape_.kernel * shape_.tap_row());
      dw_.Reserve(rows_.size());
      scratch_.Reserve(SparseScratch(shape_));
    } else {
      dy_.Reserve(dy_shape_.size());
      dw_.Reserve(shape_.kernel * shape_.taps() * shape_.padded_outputs());
      if (wants_input_gradient_) backward_.Reserve();
    }
  }

  void Load(const Pass& pass) override {
    const float* weight = pass.parameters + weights_.weight;
    const int64_t k = shape_.kernel, inputs = shape_.inputs, outputs = shape_.outputs;
    const auto at = [&](int64_t o, int64_t ky, int64_t kx, int64_t i) {
      return weight[((o * inputs + i) * k + ky) * k + kx];
    };
    forward_.Load(at, weights_.bias < 0 ? nullptr : pass.parameters + weights_.bias);
    if (!pass.training()) return;
    dw_.Zero();
    db_.Zero();
    if (!wants_input_gradient_) return;
    if (!shape_.pool) {
      return backward_.Load(
          [&](int64_t i, int64_t ky, int64_t kx, int64_t o) {
            return o < outputs ? at(o, k - 1 - ky, k - 1 - kx, i) : 0.0f;
          },
          nullptr);
    }
    for (int64_t o = 0; o < outputs; ++o) {
      for (int64_t ky = 0; ky < k; ++ky) {
        float* to = rows_.data() + (o * k + ky) * shape_.tap_row();
        for (int64_t kx = 0; kx < k; ++kx) {
          for (int64_t i = 0; i < inputs; ++i) *to++ = at(o, ky, kx, i);
        }
      }
    }
  }

  void Forward(const Pass& pass, int64_t example) override {
    forward_.Run(in_.Corner(example), pass.inputs + example * in_.shape.values(),
                 (pass.examples - 1 - example) * in_.shape.values(), out_.Pixels(example),
                 shape_.pool ? WinnerOf(example) : nullptr);
  }

  void Backward(const Pass& pass, int64_t example) override {
    if (shape_.pool) {
      SparseBackward(example);
    } else {
      DenseBackward(example);
    }
  }

  void Finish(const Pass& pass) override {
    float* gradient = pass.gradient + weights_.weight;
    const int64_t k = shape_.kernel, inputs = shape_.inputs, outputs = shape_.outputs;
    const int64_t padded = shape_.padded_outputs(), row = shape_.tap_row();
    for (int64_t o = 0; o < outputs; ++o) {
      for (int64_t i = 0; i < inputs; ++i) {
        for (int64_t ky = 0; ky < k; ++ky) {
          for (int64_t kx = 0; kx < k; ++kx) {
            *gradient++ += shape_.pool ? dw_[(o * k + ky) * row + kx * inputs + i]
                                       : dw_[((ky * k + kx) * inputs + i) * padded + o];
          }
        }
      }
    }
    if (weights_.bias < 0) return;
    for (int64_t o = 0; o < outputs; ++o) pass.gradient[weights_.bias + o] += db_[o];
  }

  std::string Describe() const override {
    const std::string side = std::to_string(shape_.kernel);
    std::string text = id_ + ": " + side + "x" + side + " convolution " +
                       std::to_string(shape_.inputs) + " -> " + std::to_string(shape_.outputs);
    if (shape_.relu) text += ", ReLU";
    if (shape_.pool) text += ", 2x2 max pooling";
    text += "; forward " + forward_.Name();
    text += shape_.pool ? ", backward sparse" : ", backward dense";
    if (!wants_input_gradient_) return text + " (weights only)";
    return shape_.pool ? text : text + " (input " + backward_.Name() + ")";
  }

  Cost StepCost() const override {
    return CostOf(shape_.kernel * shape_.taps() * shape_.outputs, shape_.height * shape_.width,
                  in_.shape.values() + out_.shape.values(), wants_input_gradient_);
  }

 private:
  static ConvShape ShapeOf(const NetworkLayer& layer, bool relu, bool pool, const Images& in,
                           const Images& out) {
    const auto& conv = std::get<Conv>(layer.spec);
    ConvShape shape;
    shape.inputs = layer.input[0];
    shape.outputs = layer.output[0];
    shape.kernel = conv.kernel;
    shape.stride = conv.stride;
    shape.in_row = in.shape.row();
    shape.height = layer.output[1];
    shape.width = layer.output[2];
    shape.out_row = out.shape.row();
    shape.relu = relu;
    shape.pool = pool;
    return shape;
  }

  uint8_t* WinnerOf(int64_t example) const {
    return winner_.data() + example * out_.shape.values();
  }

  void SparseBackward(int64_t example) {
    const Winners winners{&shape_, out_.GradientPixels(), out_.shape.row(), WinnerOf(example)};
    SparseWeightGradient(winners, in_.Corner(example), scratch_.data(), dw_.data(), db_.data());
    if (!wants_input_gradient_) return;
    in_.gradient.Zero();
    SparseInputGradient(winners, rows_.data(), scratch_.data(), in_.gradient.data());
  }

  void DenseBackward(int64_t example) {
    float* dy = dy_.data() + dy_shape_.interior();
    const int64_t row = shape_.stride * dy_shape_.row();
    const int64_t pixel = shape_.stride * dy_shape_.channels;
    TakeGradient(shape_.height, shape_.width, shape_.outputs, shape_.relu, out_.Pixels(example),
                 out_.GradientPixels(), out_.shape.row(), dy, row, pixel, db_.data());
    DenseWeightGradient(shape_, in_.Corner(example), dy, row, pixel, dw_.data());
    if (!wants_input_gradient_) return;
    backward_.Run(dy_.data(), nullptr, 0, in_.GradientPixels(), nullptr);
  }

  const std::string id_;
  const Weights weights_;
  Images& in_;
  Images& out_;
  const bool wants_input_gradient_;
  const ConvShape shape_;
  Convolution forward_;
  const ImageShape dy_shape_;
  Convolution backward_;    ///< of the dense backward pass
  Buffer<float> rows_;      ///< weights for the sparse backward pass
  Buffer<uint8_t> winner_;  ///< of every example
  Buffer<float> dy_, dw_, db_, scratch_;
};

}  // namespace

std::unique_ptr<ImageBlock> MakeConvBlock(const NetworkLayer& layer, const Weights& weights,
                                          bool relu, bool pool, Images* in, Images* out,
                                          InputGradient input_gradient, Source source) {
  return std::make_unique<ConvBlock>(layer, weights, relu, pool, in, out, input_gradient, source);
}

}  // namespace flsim::fused
