// The backends, and what they share.
#pragma once

#include "models/backend.h"

namespace flsim {

/// Runs any network with LibTorch's operations and autograd.
std::unique_ptr<Replica> MakeTorchReplica(const Network& network, c10::Device device);

/// One linear layer with its closed-form gradient, on the CPU.
std::unique_ptr<Replica> MakeLinearReplica(const Network& network, c10::Device device);
/// Why the linear backend can't run the network ("runs networks of ..."), or "".
std::string WhyNotLinear(const Network& network);

/// Kernels of our own for networks of convolutions and fully connected layers, on the CPU.
std::unique_ptr<Replica> MakeFusedReplica(const Network& network, c10::Device device);
/// Why the fused backend can't run the network ("has no kernel for ..."), or "".
std::string WhyNotFused(const Network& network);
/// Its plan, one line a block.
std::string DescribeFusedPlan(const Network& network);

/// Dropout of probability p, to 16 bits: a value whose 16 random bits are below `dropped` becomes
/// zero, the others are scaled so that the expectation is kept. A word of Rng::Bits() serves two
/// values, its lower half first.
struct DropoutRule {
  explicit DropoutRule(double p);
  float Factor(uint16_t bits) const { return bits < dropped ? 0 : scale; }

  uint16_t dropped;
  float scale;
};

/// A network's outputs for n examples and what they should be; one of `labels` and `targets` is
/// null.
struct Outputs {
  int64_t n = 0;
  const float* values = nullptr;  ///< [n][network.outputs], rows `stride` apart
  int64_t stride = 0;
  const int64_t* labels = nullptr;
  const float* targets = nullptr;
};

/// Sums of losses and hits, in double precision.
EvaluationSums SumLosses(const Network& network, const Outputs& outputs);

/// The sum of losses, and the gradient of sum / `batch` with respect to the outputs, in their
/// shape; may overwrite them.
double LossGradient(const Network& network, const Outputs& outputs, int64_t batch, float* gradient);

}  // namespace flsim
