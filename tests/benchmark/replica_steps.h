// Local steps of SGD on a backend, as the engine's trainer makes them, and nothing around them.
#pragma once

#include <memory>
#include <string>

#include "engine/core/vector_ops.h"
#include "models/backend.h"
#include "strategies/training_options.h"

namespace flsim {

class ReplicaSteps {
 public:
  /// Starts from the network's initial parameters. `backend` comes from ResolveBackend.
  ReplicaSteps(const std::string& backend, const Network& network, const TrainingOptions& training)
      : training_(training),
        replica_(MakeReplica(backend, network, c10::Device(c10::kCPU))),
        rng_(1, {"dropout"}) {
    InitializeParameters(network, 1, initial_parameters_, initial_buffers_);
    momentum_ = Zeros(network.parameters.size(), c10::Device(c10::kCPU));
    Restart();
  }

  /// Takes the initial parameters again.
  void Restart() {
    Copy(replica_->parameters, initial_parameters_);
    if (initial_buffers_.numel() > 0) Copy(replica_->buffers, initial_buffers_);
  }

  /// One step; `first`: of a client, whose momentum starts from nothing. Returns the loss.
  double Step(const Batch& batch, bool first) {
    return replica_->Step(batch, rng_,
                          SgdStep{training_.lr, training_.momentum, training_.weight_decay, first},
                          momentum_);
  }

 private:
  const TrainingOptions& training_;
  std::unique_ptr<Replica> replica_;
  Rng rng_;
  at::Tensor initial_parameters_, initial_buffers_, momentum_;
};

}  // namespace flsim
