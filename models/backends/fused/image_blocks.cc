// What images pass through beside convolutions.
#include "models/backends/fused/blocks.h"

namespace flsim::fused {
namespace {

/// The data set's planes as pixels, with the first layer's border.
class InputBlock : public ImageBlock {
 public:
  explicit InputBlock(Images* out) : out_(*out) {}
  void Forward(const Pass& pass, int64_t example) override {
    const ImageShape& shape = out_.shape;
    PlanesToPixels(shape.channels, shape.height, shape.width,
                   pass.inputs + example * shape.values(), out_.Pixels(example), shape.row());
  }
  void Backward(const Pass& pass, int64_t example) override {}
  std::string Describe() const override { return "input: planes to pixels"; }

 private:
  Images& out_;
};

class ReluBlock : public ImageBlock {
 public:
  ReluBlock(const std::string& id, Images* images) : id_(id), images_(*images) {}
  void Forward(const Pass& pass, int64_t example) override {
    Relu(images_.shape.size(), images_.Corner(example));
  }
  void Backward(const Pass& pass, int64_t example) override {
    ReluGradient(images_.shape.size(), images_.Corner(example), images_.gradient.data());
  }
  std::string Describe() const override { return id_ + ": ReLU in place"; }

 private:
  const std::string id_;
  Images& images_;
};

class DropoutBlock : public ImageBlock {
 public:
  DropoutBlock(const NetworkLayer& layer, Images* images)
      : id_(layer.id), images_(*images), dropout_(std::get<Dropout>(layer.spec).p) {}
  void Reserve(int64_t examples) override {
    dropout_.Reserve(examples * images_.shape.values(), images_.shape.values());
  }
  void Forward(const Pass& pass, int64_t example) override {
    if (!pass.training()) return;
    const ImageShape& shape = images_.shape;
    const int64_t row = shape.width * shape.channels, first = example * shape.values();
    dropout_.Draw(*pass.rng, shape.values());
    for (int64_t y = 0; y < shape.height; ++y) {
      dropout_.Apply(y * row, first + y * row, row, images_.Pixels(example) + y * shape.row());
    }
  }
  void Backward(const Pass& pass, int64_t example) override {
    const ImageShape& shape = images_.shape;
    const int64_t row = shape.width * shape.channels, first = example * shape.values();
    for (int64_t y = 0; y < shape.height; ++y) {
      dropout_.Gradient(first + y * row, row, images_.GradientPixels() + y * shape.row());
    }
  }
  std::string Describe() const override { return id_ + ": dropout in place"; }

 private:
  const std::string id_;
  Images& images_;
  DropoutMask dropout_;
};

class PoolBlock : public ImageBlock {
 public:
  PoolBlock(const NetworkLayer& layer, bool largest, int64_t stride, Images* in, Images* out)
      : id_(layer.id), largest_(largest), in_(*in), out_(*out) {
    shape_.channels = in->shape.channels;
    shape_.height = out->shape.height;
    shape_.width = out->shape.width;
    shape_.in_row = in->shape.row();
    shape_.out_row = out->shape.row();
    shape_.stride = stride;
    // kernel 0: one window, the whole image.
    const int64_t kernel =
        largest ? std::get<MaxPool>(layer.spec).kernel : std::get<AvgPool>(layer.spec).kernel;
    shape_.kernel = kernel == 0 ? in->shape.height : kernel;
    shape_.kernel_width = kernel == 0 ? in->shape.width : kernel;
  }
  void Reserve(int64_t examples) override {
    if (largest_) winner_.Reserve(examples * out_.shape.values());
  }
  void Forward(const Pass& pass, int64_t example) override {
    if (largest_) {
      MaxPoolForward(shape_, in_.Corner(example), out_.Pixels(example), WinnerOf(example));
    } else {
      AveragePoolForward(shape_, in_.Corner(example), out_.Pixels(example));
    }
  }
  void Backward(const Pass& pass, int64_t example) override {
    in_.gradient.Zero();
    if (largest_) {
      MaxPoolGradient(shape_, out_.GradientPixels(), WinnerOf(example), in_.gradient.data());
    } else {
      AveragePoolGradient(shape_, out_.GradientPixels(), in_.gradient.data());
    }
  }
  Cost StepCost() const override {
    return CostOf(0, 0, in_.shape.values() + out_.shape.values(), true);
  }
  std::string Describe() const override {
    return id_ + ": " + std::to_string(shape_.kernel) + "x" + std::to_string(shape_.kernel_width) +
           (largest_ ? " max" : " average") + " pooling";
  }

 private:
  int32_t* WinnerOf(int64_t example) const {
    return winner_.data() + example * out_.shape.values();
  }
  const std::string id_;
  const bool largest_;
  Images& in_;
  Images& out_;
  PoolShape shape_;
  Buffer<int32_t> winner_;
};

class GroupNormBlock : public ImageBlock {
 public:
  GroupNormBlock(const NetworkLayer& layer, const Weights& weights, Images* in, Images* out)
      : id_(layer.id), weights_(weights), in_(*in), out_(*out) {
    shape_ = {in->shape.channels, std::get<GroupNorm>(layer.spec).groups,
              in->shape.height,   in->shape.width,
              out->shape.row(),   kNormEpsilon};
  }
  void Reserve(int64_t examples) override {
    xhat_.Reserve(examples * in_.shape.values());
    inverse_.Reserve(examples * shape_.channels);
    scratch_.Reserve(3 * shape_.channels);
  }
  void Forward(const Pass& pass, int64_t example) override {
    GroupNormForward(shape_, in_.Corner(example), pass.parameters + weights_.weight,
                     pass.parameters + weights_.bias, scratch_.data(),
                     xhat_.data() + example * in_.shape.values(),
                     inverse_.data() + example * shape_.channels, out_.Pixels(example));
  }
  void Backward(const Pass& pass, int64_t example) override {
    GroupNormGradient(shape_, out_.GradientPixels(), pass.parameters + weights_.weight,
                      xhat_.data() + example * in_.shape.values(),
                      inverse_.data() + example * shape_.channels, scratch_.data(),
                      pass.gradient + weights_.weight, pass.gradient + weights_.bias,
                      in_.gradient.data());
  }
  Cost StepCost() const override {
    return CostOf(0, 0, 2 * in_.shape.values() + out_.shape.values(), true);
  }
  std::string Describe() const override {
    return id_ + ": group normalisation, " + std::to_string(shape_.groups) + " groups";
  }

 private:
  const std::string id_;
  const Weights weights_;
  Images& in_;
  Images& out_;
  NormShape shape_;
  Buffer<float> xhat_, inverse_, scratch_;
};

/// Pixels to the row of planes that a fully connected layer's weights are made for.
class FlattenBlock : public ImageBlock {
 public:
  FlattenBlock(const std::string& id, Images* in, Vectors* out) : id_(id), in_(*in), out_(*out) {}
  void Forward(const Pass& pass, int64_t example) override {
    const ImageShape& shape = in_.shape;
    PixelsToPlanes(shape.channels, shape.height, shape.width, in_.Pixels(example), shape.row(),
                   out_.At(example));
  }
  void Backward(const Pass& pass, int64_t example) override {
    const ImageShape& shape = in_.shape;
    PlanesToPixels(shape.channels, shape.height, shape.width, out_.GradientAt(example),
                   in_.GradientPixels(), shape.row());
  }
  Cost StepCost() const override { return CostOf(0, 0, 2 * in_.shape.values(), true); }
  std::string Describe() const override { return id_ + ": pixels to planes"; }

 private:
  const std::string id_;
  Images& in_;
  Vectors& out_;
};

}  // namespace

std::unique_ptr<ImageBlock> MakeInputBlock(Images* out) {
  return std::make_unique<InputBlock>(out);
}
std::unique_ptr<ImageBlock> MakeReluBlock(const NetworkLayer& layer, Images* images) {
  return std::make_unique<ReluBlock>(layer.id, images);
}
std::unique_ptr<ImageBlock> MakeDropoutBlock(const NetworkLayer& layer, Images* images) {
  return std::make_unique<DropoutBlock>(layer, images);
}
std::unique_ptr<ImageBlock> MakePoolBlock(const NetworkLayer& layer, Images* in, Images* out) {
  if (const auto* pool = std::get_if<MaxPool>(&layer.spec)) {
    return std::make_unique<PoolBlock>(layer, true, pool->stride.value_or(pool->kernel), in, out);
  }
  const auto& pool = std::get<AvgPool>(layer.spec);
  const int64_t stride = pool.kernel == 0 ? 1 : pool.stride.value_or(pool.kernel);
  return std::make_unique<PoolBlock>(layer, false, stride, in, out);
}
std::unique_ptr<ImageBlock> MakeGroupNormBlock(const NetworkLayer& layer, const Weights& weights,
                                               Images* in, Images* out) {
  return std::make_unique<GroupNormBlock>(layer, weights, in, out);
}
std::unique_ptr<ImageBlock> MakeFlattenBlock(const NetworkLayer& layer, Images* in, Vectors* out) {
  return std::make_unique<FlattenBlock>(layer.id, in, out);
}

}  // namespace flsim::fused
