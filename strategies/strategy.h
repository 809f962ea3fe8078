// A strategy is a federated algorithm: what a client adds to plain local training and what the
// server does with the aggregate, both halves in one file. Hooks are const; all state is handed in.
//
// A round, as strategies see it, for each client of the cohort:
//   task.parameters = state.parameters;  Start(task);  Train(task);
//   update.delta = state.parameters - task.parameters;  Finish(task, update);
// then, once the aggregator has folded the updates:  UpdateServer(state, aggregate, optimizer).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/core/registry.h"
#include "strategies/client_task.h"
#include "strategies/server_optimizer.h"
#include "strategies/training_options.h"

namespace flsim {

/// What a strategy can't do without. The experiment provides it or refuses the combination.
struct StrategyNeeds {
  /// The server's half is right for the mean of the updates alone: the aggregator has to be one.
  bool mean = false;
  /// Moreover Update::weight means something to it: a mean by examples.
  bool weights = false;
  /// Finish() scales the update or leaves parts of it out, so that it can't be compared with plain
  /// training, as an aggregator with a root data set does.
  bool scales_update = false;
  /// CorrectGradient() does nothing here, so that a backend may take each step as it computes the
  /// gradient. Left false, it costs some speed.
  bool plain_gradient = false;
  /// Defines FeatureLoss(): the backend has to give the network's features.
  bool features = false;
  /// ClientTask::cohort_gradient: every client of the cohort is asked for its full gradient first.
  bool cohort_gradient = false;
  /// Start() or Finish() ask for losses or full gradients: replaying recorded updates needs the
  /// data.
  bool data = false;
  /// Personalize() gives each client a model of its own: clients are evaluated, each on a part of
  /// its examples that is held out.
  bool personal = false;
  /// Running statistics stay with the client.
  bool local_buffers = false;
  /// Epochs of training on the client's examples before its model is evaluated, unless
  /// evaluation.fine_tune_epochs says otherwise.
  int64_t fine_tune_epochs = 0;
  /// For the count of bytes: vectors [P] that the server sends each client beside the model, and
  /// parameters that never leave the client.
  int64_t vectors_down = 0, parameters_kept = 0;
};

class Strategy {
 public:
  static constexpr const char* kKind = "strategy";
  struct Context {
    const ParameterLayout* parameters = nullptr;  ///< outlives the strategy
    int64_t buffers = 0;                          ///< B, above 0 for models with batch_norm
    TrainingOptions training;
  };
  virtual ~Strategy() = default;

  virtual StrategyNeeds Needs() const { return {}; }

  /// Sizes of the float32 vectors that each client keeps from one of its rounds to the next.
  virtual std::vector<int64_t> ClientState() const { return {}; }

  /// Before the first round; state.parameters is the initial model.
  virtual void InitState(ServerState& state) const {}

  /// Before local training; task.parameters is the global model and may be changed.
  virtual void Start(ClientTask& task) const {}

  /// Local training: by default one plain run.
  virtual void Train(ClientTask& task) const { task.local.Run(task, {}); }

  /// Once per local step, after the gradient of the batch and before clipping and the optimizer
  /// step. The gradient [P] does not hold weight decay yet.
  virtual void CorrectGradient(const ClientTask& task, const at::Tensor& gradient) const {}

  /// A term that joins the loss of a batch, as a function of the batch's features (the input of the
  /// network's last layer, float32 [n, d], part of the graph): a scalar. Called once per local step
  /// if Needs().features.
  virtual at::Tensor FeatureLoss(const ClientTask& task, const at::Tensor& features) const {
    return {};
  }

  /// After local training: `update` holds delta, buffers and weight and may be changed; what it
  /// lends stays valid until the update is folded. Also called when recorded updates are replayed,
  /// where there was no Train().
  virtual void Finish(ClientTask& task, Update& update) const {}

  /// By default one step of the server optimizer along the aggregate, which may be overwritten.
  virtual void UpdateServer(ServerState& state, Aggregate& aggregate,
                            const ServerOptimizer& optimizer) const {
    optimizer.Step(state, aggregate.delta);
  }

  /// Turns task.parameters (the global model) into the model that the client is evaluated with.
  /// task.state is what the client kept; task.local must not be used.
  virtual void Personalize(ClientTask& task) const {}
};

}  // namespace flsim
