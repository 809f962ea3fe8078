// One client's part in one round: what a strategy sees of it, asks of it and gets back.
#pragma once

#include <functional>
#include <vector>

#include "engine/core/parameters.h"
#include "strategies/server_state.h"

namespace flsim {

struct ClientTask;

/// Local training other than the default.
struct LocalRun {
  /// In place of training.epochs or training.steps.
  std::optional<int64_t> epochs;
  /// The parameters that are trained; the others stay as they are. Empty: all.
  std::vector<ParameterRange> trained;
  /// Changes each step's gradient, in place of Strategy::CorrectGradient.
  std::function<void(const at::Tensor& gradient)> correct;
  /// Nothing changes the gradient: local training without what the strategy adds.
  bool plain = false;
  /// Names the random draws (order of examples, augmentation, dropout) of a run beside the main
  /// one.
  const char* purpose = "";
  /// Whether its steps, examples and losses join the task's.
  bool counted = true;
};

/// The client's data and machine. Gradients and losses are of training examples; the held-out part
/// is never touched.
class LocalTraining {
 public:
  virtual ~LocalTraining() = default;

  /// Local steps from task.parameters on, as the options of training and `run` say. The local
  /// optimizer starts afresh. Throws DivergedError when a loss is NaN or Inf.
  virtual void Run(ClientTask& task, const LocalRun& run) = 0;

  /// Mean loss over all examples at `parameters` [P], in evaluation mode with the server's buffers.
  virtual double Loss(const ClientTask& task, const at::Tensor& parameters) = 0;
  /// Mean gradient over all examples at `parameters`, in training mode (dropout draws, buffers stay
  /// as they were), into `gradient` [P]; returns the mean loss. Only outside of Run().
  virtual double FullGradient(const ClientTask& task, const at::Tensor& parameters,
                              const at::Tensor& gradient) = 0;

  /// Within a step of Run(): the gradient of that step's batch at other parameters, with the same
  /// dropout, into `gradient` [P], which is not the gradient that the hook was handed.
  virtual void BatchGradient(const at::Tensor& parameters, const at::Tensor& gradient) = 0;
  /// Within Strategy::FeatureLoss: the features of that step's batch at other parameters, in
  /// evaluation mode: float32 [n, d].
  virtual at::Tensor Features(const at::Tensor& parameters) = 0;

  /// A vector [P] for the strategy's own use, unset at first, the same one for the same index until
  /// the client is done.
  virtual const at::Tensor& Scratch(int index) = 0;
};

/// One client's training in one round.
struct ClientTask {
  ClientTask(const ServerState& server, LocalTraining& local) : server(server), local(local) {}

  const ServerState& server;
  LocalTraining& local;
  int64_t client = 0;     ///< -1: the server itself, on its root data set
  int64_t round = 0;      ///< 1 for the first
  int64_t examples = 0;   ///< n_k, the client's training examples
  at::Tensor parameters;  ///< w, float32 [P]: the local model, in training
  at::Tensor buffers;     ///< float32 [B]: of the local model
  double lr = 0;          ///< this round's client learning rate
  int64_t steps = 0;      ///< local steps done
  int64_t examples_seen = 0;
  double loss_sum = 0;                   ///< over examples seen, each at the time it was seen
  double first_loss = 0, last_loss = 0;  ///< of the first and the last batch, before their steps

  /// The client's own vectors, sized as Strategy::ClientState() says; zeros when the client takes
  /// part for the first time. What is written here is kept if the round completes.
  std::vector<at::Tensor> state;
  bool first_time = true;  ///< never sampled before (in a round that completed)

  /// Where the strategy needs it: the mean over the cohort of the full gradients at the global
  /// model, weighted as the aggregator weighs, float32 [P].
  at::Tensor cohort_gradient;
};

/// What a client sends back.
struct Update {
  at::Tensor delta;    ///< w0 - w, float32 [P]: the pseudo-gradient
  at::Tensor buffers;  ///< float32 [B]
  int64_t client = 0;
  int64_t examples = 0;
  double weight = 0;        ///< n_k, unless the strategy puts another (not negative) in its place
  double squared_norm = 0;  ///< ||delta||^2; kept true by whoever changes delta
  std::vector<at::Tensor> extras;  ///< further vectors; the server gets their plain mean
  std::vector<double> scalars;     ///< further numbers; the server gets each client's
};

/// What the server knows of one client's update.
struct ClientReport {
  int64_t client = 0;
  int64_t examples = 0;       ///< n_k
  int64_t examples_seen = 0;  ///< counted once for each epoch
  int64_t steps = 0;
  double loss_sum = 0;                   ///< over examples seen
  double first_loss = 0, last_loss = 0;  ///< of the first and the last local batch
  double weight = 0;  ///< in the aggregate, before all weights are divided by their sum
  double squared_norm = 0;
  std::vector<double> scalars;
  // Where RoundHooks asks for them:
  double seconds = 0;            ///< that its training took on its worker
  std::optional<double> cosine;  ///< of the angle between its delta and the aggregate's
};

/// What an aggregator makes of a cohort's updates, with what the engine adds.
struct Aggregate {
  at::Tensor delta;                   ///< float32 [P]
  at::Tensor buffers;                 ///< float32 [B]
  double squared_norm = 0;            ///< ||delta||^2
  std::vector<at::Tensor> extras;     ///< the plain mean of each over the cohort
  std::vector<ClientReport> clients;  ///< in the order of the fold
  /// The cohort's share of the population: of its examples where the aggregator weighs by them,
  /// else of its clients.
  double share = 0;
  double lr = 0;               ///< of the clients
  at::Tensor cohort_gradient;  ///< see ClientTask

  /// The mean over the clients of what `of` says of each, with the weights of the aggregate.
  template <class Of>
  double Mean(const Of& of) const {
    double sum = 0, weights = 0;
    for (const ClientReport& client : clients) {
      sum += client.weight * of(client);
      weights += client.weight;
    }
    return sum / weights;
  }
};

}  // namespace flsim
