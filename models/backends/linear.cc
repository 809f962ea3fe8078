// A network of one linear layer: the gradients of squared error and softmax cross-entropy in closed
// form. Nothing is allocated once the largest batch has been seen.
//   X batch [n, f]    W weight [k, f]    b bias [k]    Z = X W' + b [n, k]
//   regression:      D = 2 (Z - y) / n             classification: D = (softmax(Z) - onehot(y)) / n
//   dW = D' X        db = column sums of D
#include "engine/core/error.h"
#include "models/backends/backends.h"
#include "models/backends/dense.h"

namespace flsim {
namespace {

class LinearReplica : public Replica {
 public:
  LinearReplica(const Network& network, c10::Device device)
      : Replica(network, device),
        network_(network),
        features_(network.layers.back().input[0]),
        outputs_(network.outputs),
        weight_offset_(network.parameters[network.layers.back().weight].offset),
        bias_offset_(network.parameters[network.layers.back().bias].offset) {
    FLSIM_CHECK(WhyNotLinear(network).empty() && device.is_cpu());
  }

  double Gradient(const Batch& batch, Rng&, const FeatureLoss* feature_loss) override {
    FLSIM_CHECK(feature_loss == nullptr);
    return GradientTo(Data(gradient), batch);
  }

  // On pointers throughout: a small model's step takes less time than looking into its tensors.
  double Step(const Batch& batch, Rng&, const SgdStep& step, const at::Tensor& velocity) override {
    float* g = Data(gradient);
    const double loss = GradientTo(g, batch);
    Apply(step, Data(parameters), g, step.momentum == 0 ? nullptr : Data(velocity),
          network_.parameters.size());
    return loss;
  }

  EvaluationSums Evaluate(const Batch& batch) override {
    Forward(batch);
    return SumLosses(network_, OutputsOf(batch));
  }

 private:
  /// As TensorImpl::mutable_data(), without its checks.
  static float* Data(const at::Tensor& x) {
    const c10::TensorImpl& tensor = *x.unsafeGetTensorImpl();
    return static_cast<float*>(tensor.unsafe_storage().mutable_data()) + tensor.storage_offset();
  }

  double GradientTo(float* g, const Batch& batch) {
    Forward(batch);
    const double loss = LossGradient(network_, OutputsOf(batch), batch.size(), scores_.data());
    DenseBackward(batch.input_data(), scores_.data(), batch.size(), features_, outputs_,
                  g + weight_offset_, g + bias_offset_);
    return loss / static_cast<double>(batch.size());
  }

  /// Z goes to scores_.
  void Forward(const Batch& batch) {
    const int64_t n = batch.size();
    FLSIM_CHECK(n >= 1 && batch.inputs().numel() == n * features_, n, features_);
    if (static_cast<int64_t>(scores_.size()) < n * outputs_) {
      scores_.resize(static_cast<size_t>(n * outputs_));
    }
    const float* w = Data(parameters);
    DenseForward(batch.input_data(), w + weight_offset_, w + bias_offset_, n, features_, outputs_,
                 scores_.data());
  }

  Outputs OutputsOf(const Batch& batch) const {
    return {batch.size(), scores_.data(), outputs_, batch.labels(), batch.target_values()};
  }

  const Network& network_;
  const int64_t features_, outputs_;
  const int64_t weight_offset_, bias_offset_;
  std::vector<float> scores_;  ///< Z, then D: [n, outputs], grown on demand
};

}  // namespace

std::string WhyNotLinear(const Network& network) {
  size_t i = 0;
  while (i < network.layers.size() && std::holds_alternative<Flatten>(network.layers[i].spec)) ++i;
  const bool one_linear = i + 1 == network.layers.size() &&
                          std::holds_alternative<Linear>(network.layers[i].spec) &&
                          network.layers[i].bias >= 0;
  return one_linear ? "" : "runs networks of one linear layer with bias only";
}

std::unique_ptr<Replica> MakeLinearReplica(const Network& network, c10::Device device) {
  return std::make_unique<LinearReplica>(network, device);
}

}  // namespace flsim
