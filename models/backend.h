// A backend runs a network: loss and gradient of a batch, and evaluation.
#pragma once

#include <memory>
#include <string>

#include "datasets/dataset.h"
#include "models/network.h"

namespace flsim {

/// Sums over examples; add up to those of several batches.
struct EvaluationSums {
  int64_t examples = 0;
  double loss = 0;      ///< sum of each example's loss (cross-entropy, or squared error)
  int64_t correct = 0;  ///< classification: examples whose largest output is their class
};

/// A worker's own copy of the model with everything needed to train it. The flat vectors below are
/// the model: change them and the next call uses the new values. Not thread-safe; one per worker.
class Replica {
 public:
  virtual ~Replica() = default;

  at::Tensor parameters;  ///< float32 [network.parameters.size()]
  at::Tensor buffers;     ///< float32 [network.buffers.size()]
  at::Tensor gradient;    ///< float32 [network.parameters.size()]

  /// Mean loss of the batch in training mode (cross-entropy, or squared error); its gradient goes
  /// to `gradient`, replacing what was there. Batch statistics go to `buffers`. Dropout draws from
  /// `rng`.
  virtual double Gradient(const Batch& batch, Rng& rng) = 0;

  /// Evaluation mode: no dropout, running statistics.
  virtual EvaluationSums Evaluate(const Batch& batch) = 0;

 protected:
  /// Allocates the three vectors, zeroed.
  Replica(const Network& network, c10::Device device);
};

/// Names for the option runtime.backend: "auto" and every backend.
std::vector<std::string> BackendNames();

/// The backend that `name` stands for with this network: itself, or for "auto" the fastest that can
/// run it. Throws ConfigError with the reason if it can't.
std::string ResolveBackend(const std::string& name, const Network& network);

/// A replica on `device`; `network` must outlive it. `backend` comes from ResolveBackend.
std::unique_ptr<Replica> MakeReplica(const std::string& backend, const Network& network,
                                     c10::Device device);

}  // namespace flsim
