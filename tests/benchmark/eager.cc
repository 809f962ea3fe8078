#include "tests/benchmark/eager.h"

#include <ATen/ops/adaptive_avg_pool2d.h>
#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/dropout.h>
#include <ATen/ops/group_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/mse_loss.h>
#include <ATen/ops/relu.h>
#include <c10/core/GradMode.h>

#include <optional>
#include <utility>

#include "engine/core/error.h"

namespace flsim {

EagerSteps::EagerSteps(const Network& network, const TrainingOptions& training)
    : network_(network), training_(training) {
  at::Tensor flat, buffers;
  InitializeParameters(network, 1, flat, buffers);
  const auto slots = static_cast<int>(network.parameters.slots().size());
  for (int i = 0; i < slots; ++i) {
    parameters_.push_back(network.parameters.View(flat, i).clone().requires_grad_(true));
  }
  momentum_.resize(parameters_.size());
}

double EagerSteps::Step(const Batch& batch) {
  for (const at::Tensor& p : parameters_) p.mutable_grad().reset();
  const at::Tensor output = Forward(network_.layers, batch.inputs());
  const at::Tensor loss = network_.task == Task::kRegression
                              ? at::mse_loss(output.view({-1}), batch.targets())
                              : at::cross_entropy_loss(output, batch.targets());
  loss.backward();
  ApplyGradients();
  return loss.item<float>();
}

void EagerSteps::ApplyGradients() {
  const c10::NoGradGuard no_grad;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    at::Tensor gradient = parameters_[i].grad();
    if (training_.weight_decay > 0) gradient = gradient.add(parameters_[i], training_.weight_decay);
    at::Tensor& momentum = momentum_[i];
    if (momentum.defined()) {
      momentum.mul_(training_.momentum).add_(gradient);
    } else {
      momentum = gradient.clone();
    }
    parameters_[i].add_(momentum, -training_.lr);
  }
}

at::Tensor EagerSteps::Forward(const std::vector<NetworkLayer>& layers, at::Tensor x) const {
  for (const NetworkLayer& layer : layers) x = Forward(layer, x);
  return x;
}

at::Tensor EagerSteps::Forward(const NetworkLayer& layer, const at::Tensor& x) const {
  const auto slot = [this](int i) {
    return i < 0 ? std::nullopt : std::optional(parameters_[static_cast<size_t>(i)]);
  };
  const auto weight = slot(layer.weight), bias = slot(layer.bias);
  const LayerSpec& spec = layer.spec;
  if (const auto* conv = std::get_if<Conv>(&spec)) {
    return at::conv2d(x, *weight, bias, conv->stride, conv->padding);
  }
  if (std::holds_alternative<Linear>(spec)) return at::linear(x, *weight, bias);
  if (std::holds_alternative<Relu>(spec)) return at::relu(x);
  if (const auto* pool = std::get_if<MaxPool>(&spec)) {
    return at::max_pool2d(x, pool->kernel, pool->stride.value_or(pool->kernel));
  }
  if (const auto* pool = std::get_if<AvgPool>(&spec)) {
    return pool->kernel == 0 ? at::adaptive_avg_pool2d(x, {1, 1})
                             : at::avg_pool2d(x, pool->kernel, pool->stride.value_or(pool->kernel));
  }
  if (std::holds_alternative<Flatten>(spec)) return x.flatten(1);
  if (const auto* dropout = std::get_if<Dropout>(&spec)) return at::dropout(x, dropout->p, true);
  if (const auto* norm = std::get_if<GroupNorm>(&spec)) {
    return at::group_norm(x, norm->groups, weight, bias);
  }
  if (std::holds_alternative<Residual>(spec)) {
    return Forward(layer.body, x).add(Forward(layer.shortcut, x));
  }
  throw ConfigError("the eager loop has no " + layer.kind + " (layer " + layer.id + ")");
}

}  // namespace flsim
