// Any network, with LibTorch's operations and autograd. The leaves are views of the flat parameters
// and their gradients views of the flat gradient, which is zeroed in place and never replaced.
#include <ATen/core/Tensor.h>
#include <ATen/ops/adaptive_avg_pool2d.h>
#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/group_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/mse_loss.h>
#include <ATen/ops/relu.h>
#include <c10/core/GradMode.h>

#include <cmath>
#include <utility>

#include "engine/core/error.h"
#include "engine/core/vector_ops.h"
#include "models/backends/backends.h"

namespace flsim {
namespace {

constexpr double kRunningMomentum = 0.1;

/// A factor for each element of `like`, in the order of its memory.
at::Tensor DropoutMask(const at::Tensor& like, double p, Rng& rng) {
  const DropoutRule rule(p);
  at::Tensor mask = at::empty_like(like, like.options().device(c10::kCPU));
  auto* data = mask.mutable_data_ptr<float>();
  const int64_t n = mask.numel();
  std::vector<uint32_t> words(static_cast<size_t>((n + 1) / 2));
  rng.Fill(words.data(), (n + 1) / 2);
  for (int64_t i = 0; i < n; ++i) {
    const uint32_t word = words[static_cast<size_t>(i / 2)];
    data[i] = rule.Factor(static_cast<uint16_t>(i % 2 == 0 ? word : word >> 16));
  }
  return mask.to(like.device());
}

/// Whether the layer's output is not needed by its own backward pass, so that a ReLU after it may
/// overwrite it.
bool MayOverwrite(const LayerSpec& spec) {
  return std::holds_alternative<Conv>(spec) || std::holds_alternative<Linear>(spec) ||
         std::holds_alternative<GroupNorm>(spec) || std::holds_alternative<BatchNorm>(spec) ||
         std::holds_alternative<MaxPool>(spec) || std::holds_alternative<Residual>(spec);
}

/// Whether to keep images as [n, h, w, c] in memory. Measured on one core: lenet and cnn take 15 to
/// 20% less time a step with it, resnet18 15 to 30% more.
bool PrefersChannelsLast(const std::vector<NetworkLayer>& layers) {
  bool any = false;
  for (const NetworkLayer& layer : layers) {
    if (std::holds_alternative<Residual>(layer.spec) ||
        std::holds_alternative<GroupNorm>(layer.spec) ||
        std::holds_alternative<BatchNorm>(layer.spec)) {
      return false;
    }
    any = any || std::holds_alternative<Conv>(layer.spec);
  }
  return any;
}

class TorchReplica : public Replica {
 public:
  TorchReplica(const Network& network, c10::Device device)
      : Replica(network, device),
        network_(network),
        channels_last_(PrefersChannelsLast(network.layers)) {
    weights_ = Views(parameters);
    for (size_t i = 0; i < weights_.size(); ++i) {
      weights_[i] = weights_[i].detach().requires_grad_(true);
      weights_[i].mutable_grad() = network.parameters.View(gradient, static_cast<int>(i));
    }
    const auto buffer_slots = static_cast<int>(network.buffers.slots().size());
    for (int i = 0; i < buffer_slots; ++i) {
      buffers_.push_back(network.buffers.View(buffers, i));
    }
  }

  double Gradient(const Batch& batch, Rng& rng, const FeatureLoss* feature_loss) override {
    const c10::AutoGradMode recording(true);
    Fill(gradient, 0);
    rng_ = &rng;
    const at::Tensor last_input = RunBelowLast(batch);
    const at::Tensor output = RunLast(last_input);
    at::Tensor loss = network_.task == Task::kRegression
                          ? at::mse_loss(output.view({-1}), batch.targets())
                          : at::cross_entropy_loss(output, batch.targets());
    if (feature_loss != nullptr) {
      const at::Tensor term = (*feature_loss)(last_input.flatten(1));
      if (term.defined()) loss = loss.add(term);
    }
    loss.backward();
    return loss.item<float>();
  }

  at::Tensor Features(const at::Tensor& other, const Batch& batch) override {
    const c10::AutoGradMode recording(false);
    // Other tensors, not other bytes: a graph that is being recorded keeps what it has saved. A
    // copy, so that rounding does not depend on where `other` lies in memory.
    if (!other_parameters_.defined()) {
      other_parameters_ = Uninitialized(parameters.numel(), parameters.device());
      other_weights_ = Views(other_parameters_);
    }
    Copy(other_parameters_, other);
    std::swap(weights_, other_weights_);
    Rng* const rng = std::exchange(rng_, nullptr);
    const at::Tensor features = RunBelowLast(batch).flatten(1);
    rng_ = rng;
    std::swap(weights_, other_weights_);
    return features;
  }

  EvaluationSums Evaluate(const Batch& batch) override {
    const c10::AutoGradMode recording(false);
    rng_ = nullptr;
    const at::Tensor output = RunLast(RunBelowLast(batch)).contiguous().cpu();
    const at::Tensor targets = batch.targets().cpu();
    const bool classes = network_.task == Task::kClassification;
    return SumLosses(network_, {batch.size(), output.const_data_ptr<float>(), network_.outputs,
                                classes ? targets.const_data_ptr<int64_t>() : nullptr,
                                classes ? nullptr : targets.const_data_ptr<float>()});
  }

 private:
  at::Tensor Inputs(const Batch& batch) const {
    return channels_last_ ? batch.inputs().contiguous(c10::MemoryFormat::ChannelsLast)
                          : batch.inputs();
  }

  /// Views of a flat vector [P], by slot.
  std::vector<at::Tensor> Views(const at::Tensor& flat) const {
    std::vector<at::Tensor> views;
    const auto slots = static_cast<int>(network_.parameters.slots().size());
    for (int i = 0; i < slots; ++i) views.push_back(network_.parameters.View(flat, i));
    return views;
  }

  /// The input of the last layer, which RunLast() leaves as it is.
  at::Tensor RunBelowLast(const Batch& batch) {
    const NetworkLayer* first = network_.layers.data();
    return Run(first, first + network_.layers.size() - 1, Inputs(batch));
  }

  at::Tensor RunLast(const at::Tensor& x) { return Run(network_.layers.back(), x); }

  at::Tensor Run(const std::vector<NetworkLayer>& layers, const at::Tensor& x) {
    return Run(layers.data(), layers.data() + layers.size(), x);
  }

  at::Tensor Run(const NetworkLayer* layer, const NetworkLayer* end, at::Tensor x) {
    bool overwritable = false;  // never a ReLU's output: its backward pass reads it
    for (; layer != end; ++layer) {
      if (std::holds_alternative<Relu>(layer->spec)) {
        // A maximum commutes with ReLU, gradient included: pool first, and there is less to do.
        const bool pool_next =
            layer + 1 != end && std::holds_alternative<MaxPool>((layer + 1)->spec);
        if (pool_next) x = Run(*++layer, x);
        x = pool_next || overwritable ? at::relu_(x) : at::relu(x);
        overwritable = false;
      } else {
        x = Run(*layer, x);
        overwritable = MayOverwrite(layer->spec);
      }
    }
    return x;
  }

  at::Tensor Run(const NetworkLayer& layer, const at::Tensor& x) {
    return std::visit([&](const auto& spec) { return Forward(spec, layer, x); }, layer.spec);
  }

  at::Tensor Weight(const NetworkLayer& layer) const { return weights_[Index(layer.weight)]; }
  std::optional<at::Tensor> Bias(const NetworkLayer& layer) const {
    if (layer.bias < 0) return std::nullopt;
    return weights_[Index(layer.bias)];
  }
  static size_t Index(int slot) { return static_cast<size_t>(slot); }
  bool training() const { return rng_ != nullptr; }

  at::Tensor Forward(const Conv& conv, const NetworkLayer& layer, const at::Tensor& x) {
    return at::conv2d(x, Weight(layer), Bias(layer), conv.stride, conv.padding);
  }

  at::Tensor Forward(const Linear&, const NetworkLayer& layer, const at::Tensor& x) {
    return at::linear(x, Weight(layer), Bias(layer));
  }

  at::Tensor Forward(const Relu&, const NetworkLayer&, const at::Tensor& x) { return at::relu(x); }

  at::Tensor Forward(const MaxPool& pool, const NetworkLayer&, const at::Tensor& x) {
    return at::max_pool2d(x, pool.kernel, pool.stride.value_or(pool.kernel));
  }

  at::Tensor Forward(const AvgPool& pool, const NetworkLayer&, const at::Tensor& x) {
    if (pool.kernel == 0) return at::adaptive_avg_pool2d(x, {1, 1});
    return at::avg_pool2d(x, pool.kernel, pool.stride.value_or(pool.kernel));
  }

  at::Tensor Forward(const Flatten&, const NetworkLayer& layer, const at::Tensor& x) {
    return x.reshape({x.size(0), layer.output[0]});
  }

  at::Tensor Forward(const Dropout& dropout, const NetworkLayer&, const at::Tensor& x) {
    if (!training() || dropout.p == 0) return x;
    return x.mul(DropoutMask(x, dropout.p, *rng_));
  }

  at::Tensor Forward(const GroupNorm& norm, const NetworkLayer& layer, const at::Tensor& x) {
    return at::group_norm(x, norm.groups, Weight(layer), Bias(layer), kNormEpsilon,
                          /*cudnn_enabled=*/true);
  }

  at::Tensor Forward(const BatchNorm&, const NetworkLayer& layer, const at::Tensor& x) {
    if (training() && x.numel() == x.size(1)) {
      throw ConfigError("layer " + layer.id +
                        " (batch_norm) got a batch with a single value for each channel, which has "
                        "no variance; choose training.batch_size so that no client's last batch "
                        "has one example, or use group_norm");
    }
    return at::batch_norm(x, Weight(layer), Bias(layer), buffers_[Index(layer.running_mean)],
                          buffers_[Index(layer.running_var)], training(), kRunningMomentum,
                          kNormEpsilon, /*cudnn_enabled=*/true);
  }

  at::Tensor Forward(const Residual&, const NetworkLayer& layer, const at::Tensor& x) {
    return Run(layer.body, x).add(Run(layer.shortcut, x));
  }

  const Network& network_;
  const bool channels_last_;
  std::vector<at::Tensor> weights_;  ///< leaves, by slot
  std::vector<at::Tensor> buffers_;  ///< by slot
  Rng* rng_ = nullptr;               ///< set while training

  at::Tensor other_parameters_;  ///< float32 [P], of Features()
  std::vector<at::Tensor> other_weights_;
};

}  // namespace

std::unique_ptr<Replica> MakeTorchReplica(const Network& network, c10::Device device) {
  return std::make_unique<TorchReplica>(network, device);
}

}  // namespace flsim
