// A strategy is a federated algorithm: what a client adds to plain local training and what the
// server does with the aggregate, both halves in one file. Client hooks are const; all state is
// handed in.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/core/registry.h"

namespace flsim {

/// Everything the server carries from round to round; a checkpoint holds exactly this.
struct ServerState {
  int64_t round = 0;      ///< rounds done
  at::Tensor parameters;  ///< w, float32 [P]: the global model
  at::Tensor buffers;     ///< float32 [B]: state that is not trained (running statistics)
  std::map<std::string, at::Tensor>
      tensors;  ///< of strategies and server optimizers, by name: float32, 1-d
};

/// One client's training in one round, as strategies see it.
struct ClientTask {
  explicit ClientTask(const ServerState& server) : server(server) {}

  const ServerState& server;
  int64_t client = 0;
  int64_t round = 0;
  int64_t examples = 0;   ///< n_k, the client's examples
  at::Tensor parameters;  ///< w, float32 [P]: the local model, in training
  double lr = 0;          ///< this round's client learning rate
  int64_t steps = 0;      ///< local steps done
  int64_t examples_seen = 0;
  double loss_sum = 0;  ///< over examples seen, each at the time it was seen
};

/// What a client sends back, or (from an aggregator) the aggregate of a cohort's.
struct Update {
  at::Tensor delta;    ///< w0 - w, float32 [P]: the pseudo-gradient
  at::Tensor buffers;  ///< float32 [B]
  int64_t examples = 0;
  double squared_norm = 0;  ///< ||delta||^2
};

/// Turns the aggregate into the next global model.
class ServerOptimizer {
 public:
  static constexpr const char* kKind = "server_optimizer";
  struct Context {};
  virtual ~ServerOptimizer() = default;
  /// Moves state.parameters against `delta`; state of its own lives in state.tensors.
  virtual void Step(ServerState& state, const at::Tensor& delta) const = 0;
};

class Strategy {
 public:
  static constexpr const char* kKind = "strategy";
  struct Context {};
  virtual ~Strategy() = default;

  /// Before the first round.
  virtual void InitState(ServerState& state) const {}

  /// Once per local step, after the gradient of the batch and before clipping and the optimizer
  /// step.
  virtual void CorrectGradient(const ClientTask& task, const at::Tensor& gradient) const {}

  /// After local training: `update` holds delta and buffers and may be changed.
  virtual void Finish(const ClientTask& task, Update& update) const {}

  /// By default one step of the server optimizer.
  virtual void UpdateServer(ServerState& state, const Update& aggregate,
                            const ServerOptimizer& optimizer) const {
    optimizer.Step(state, aggregate.delta);
  }
};

}  // namespace flsim
