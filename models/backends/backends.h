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

/// Sums of losses and hits over `n` examples from a network's outputs [n, network.outputs], in
/// double precision. One of `labels` and `targets` is null.
EvaluationSums SumLosses(const Network& network, int64_t n, const float* outputs,
                         const int64_t* labels, const float* targets);

}  // namespace flsim
