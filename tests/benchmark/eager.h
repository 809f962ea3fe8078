// The bare loop that backends are measured against: training in the ordinary eager style of
// LibTorch, one tensor for each parameter, images as [n, channels, height, width].
#pragma once

#include <vector>

#include "models/network.h"
#include "strategies/training_options.h"

namespace flsim {

class EagerSteps {
 public:
  /// Starts from the network's initial parameters. Both arguments must outlive it. Runs every layer
  /// but batch_norm, which is refused with ConfigError.
  EagerSteps(const Network& network, const TrainingOptions& training);

  /// One step of SGD. Returns the loss.
  double Step(const Batch& batch);

 private:
  at::Tensor Forward(const std::vector<NetworkLayer>& layers, at::Tensor x) const;
  at::Tensor Forward(const NetworkLayer& layer, const at::Tensor& x) const;
  void ApplyGradients();

  const Network& network_;
  const TrainingOptions& training_;
  std::vector<at::Tensor> parameters_, momentum_;  ///< by slot
};

}  // namespace flsim
