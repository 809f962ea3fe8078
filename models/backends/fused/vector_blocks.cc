// What vectors pass through: fully connected layers with their ReLU, and dropout.
#include "models/backends/fused/blocks.h"

namespace flsim::fused {
namespace {

class LinearBlock : public VectorBlock {
 public:
  LinearBlock(const NetworkLayer& layer, const Weights& weights, bool relu, Vectors* in,
              Vectors* out, InputGradient input_gradient)
      : id_(layer.id),
        weights_(weights),
        relu_(relu),
        in_(*in),
        out_(*out),
        input_gradient_(input_gradient) {}

  void Forward(const Pass& pass) override {
    const float* bias = weights_.bias < 0 ? nullptr : pass.parameters + weights_.bias;
    LinearForward(pass.examples, in_.size, out_.size, in_.At(0), in_.stride(),
                  pass.parameters + weights_.weight, bias, out_.At(0), out_.stride());
    if (relu_) Relu(pass.examples * out_.stride(), out_.At(0));
  }

  void Backward(const Pass& pass) override {
    const int64_t n = pass.examples;
    if (relu_) ReluGradient(n * out_.stride(), out_.At(0), out_.GradientAt(0));
    if (weights_.bias >= 0) {
      AddRows(n, out_.size, out_.GradientAt(0), out_.stride(), pass.gradient + weights_.bias);
    }
    StepOnTheFly step;
    if (pass.step != nullptr) {
      step = *pass.step;
      if (step.momentum != 0) step.velocity += weights_.weight;
    }
    float* dx = nullptr;
    if (input_gradient_ == InputGradient::kWanted) {
      dx = in_.GradientAt(0);
      std::memset(dx, 0, static_cast<size_t>(n * in_.stride()) * sizeof(float));
    }
    LinearBackward(n, in_.size, out_.size, in_.At(0), in_.stride(),
                   pass.parameters + weights_.weight, out_.GradientAt(0), out_.stride(), dx,
                   pass.gradient + weights_.weight, pass.step == nullptr ? nullptr : &step);
  }

  std::string Describe() const override {
    return id_ + ": fully connected " + std::to_string(in_.size) + " -> " +
           std::to_string(out_.size) + (relu_ ? ", ReLU" : "");
  }
  Cost StepCost() const override {
    return CostOf(in_.size * out_.size, 1, in_.size + out_.size,
                  input_gradient_ == InputGradient::kWanted);
  }

 private:
  const std::string id_;
  const Weights weights_;
  const bool relu_;
  Vectors& in_;
  Vectors& out_;
  const InputGradient input_gradient_;
};

/// The data set's rows, filled up with zeros.
class VectorInputBlock : public VectorBlock {
 public:
  explicit VectorInputBlock(Vectors* out) : out_(*out) {}
  void Forward(const Pass& pass) override {
    for (int64_t i = 0; i < pass.examples; ++i) {
      std::memcpy(out_.At(i), pass.inputs + i * out_.size,
                  static_cast<size_t>(out_.size) * sizeof(float));
    }
  }
  void Backward(const Pass& pass) override {}
  std::string Describe() const override { return "input: rows"; }

 private:
  Vectors& out_;
};

class VectorReluBlock : public VectorBlock {
 public:
  VectorReluBlock(const std::string& id, Vectors* vectors) : id_(id), vectors_(*vectors) {}
  void Forward(const Pass& pass) override {
    Relu(pass.examples * vectors_.stride(), vectors_.At(0));
  }
  void Backward(const Pass& pass) override {
    ReluGradient(pass.examples * vectors_.stride(), vectors_.At(0), vectors_.GradientAt(0));
  }
  std::string Describe() const override { return id_ + ": ReLU in place"; }

 private:
  const std::string id_;
  Vectors& vectors_;
};

class VectorDropoutBlock : public VectorBlock {
 public:
  VectorDropoutBlock(const NetworkLayer& layer, Vectors* vectors)
      : id_(layer.id), vectors_(*vectors), dropout_(std::get<Dropout>(layer.spec).p) {}
  void Reserve(int64_t examples) override {
    dropout_.Reserve(examples * vectors_.size, examples * vectors_.size);
  }
  void Forward(const Pass& pass) override {
    if (!pass.training()) return;
    const int64_t size = vectors_.size;
    dropout_.Draw(*pass.rng, pass.examples * size);
    for (int64_t i = 0; i < pass.examples; ++i) {
      dropout_.Apply(i * size, i * size, size, vectors_.At(i));
    }
  }
  void Backward(const Pass& pass) override {
    const int64_t size = vectors_.size;
    for (int64_t i = 0; i < pass.examples; ++i) {
      dropout_.Gradient(i * size, size, vectors_.GradientAt(i));
    }
  }
  std::string Describe() const override { return id_ + ": dropout in place"; }

 private:
  const std::string id_;
  Vectors& vectors_;
  DropoutMask dropout_;
};

}  // namespace

std::unique_ptr<VectorBlock> MakeLinearBlock(const NetworkLayer& layer, const Weights& weights,
                                             bool relu, Vectors* in, Vectors* out,
                                             InputGradient input_gradient) {
  return std::make_unique<LinearBlock>(layer, weights, relu, in, out, input_gradient);
}
std::unique_ptr<VectorBlock> MakeInputBlock(Vectors* out) {
  return std::make_unique<VectorInputBlock>(out);
}
std::unique_ptr<VectorBlock> MakeReluBlock(const NetworkLayer& layer, Vectors* vectors) {
  return std::make_unique<VectorReluBlock>(layer.id, vectors);
}
std::unique_ptr<VectorBlock> MakeDropoutBlock(const NetworkLayer& layer, Vectors* vectors) {
  return std::make_unique<VectorDropoutBlock>(layer, vectors);
}

}  // namespace flsim::fused
