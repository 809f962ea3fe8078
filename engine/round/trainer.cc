#include "engine/round/trainer.h"

#include <algorithm>
#include <cmath>

#include "engine/core/vector_ops.h"

namespace flsim {
namespace {

[[noreturn]] void Diverged(const ClientTask& task, const char* what, double value) {
  throw DivergedError("round " + std::to_string(task.round) + ", client " +
                      std::to_string(task.client) + ": " + what + " is " +
                      (std::isnan(value) ? "NaN" : "infinite") + " after " +
                      std::to_string(task.steps) + (task.steps == 1 ? " step" : " steps") +
                      "; a smaller training.lr or a training.clip_norm may help");
}

}  // namespace

Trainer::Trainer(const TrainingSetup& setup, c10::Device device)
    : setup_(setup), replica_(MakeReplica(setup.backend, *setup.network, device)), batch_(device) {
  const int64_t size = setup.network->parameters.size();
  const bool adam = setup.options.optimizer == "adam";
  if (adam || setup.options.momentum > 0) first_moment_ = Uninitialized(size, device);
  if (adam) second_moment_ = Uninitialized(size, device);
  delta_ = Uninitialized(size, device);
}

ClientTask Trainer::Prepare(const ServerState& server, int64_t client) const {
  ClientTask task(server);
  task.client = client;
  task.round = server.round + 1;
  task.examples = setup_.partition->size(client);
  task.parameters = replica_->parameters;
  task.lr =
      setup_.options.lr * std::pow(setup_.options.lr_decay, static_cast<double>(task.round - 1));
  return task;
}

Update Trainer::Train(ClientTask& task) {
  const TrainingOptions& options = setup_.options;
  Copy(replica_->parameters, task.server.parameters);
  if (replica_->buffers.numel() > 0) Copy(replica_->buffers, task.server.buffers);

  const auto stream = [&](const char* purpose) {
    return Rng(setup_.seed,
               {purpose, static_cast<uint64_t>(task.round), static_cast<uint64_t>(task.client)});
  };
  Rng shuffle = stream("shuffle"), augment = stream("augment"), dropout = stream("dropout");
  const int64_t* examples = setup_.partition->begin(task.client);
  order_.assign(examples, examples + task.examples);
  const int64_t batch_size =
      options.batch_size == 0 ? task.examples : std::min(options.batch_size, task.examples);
  const int64_t batches = (task.examples + batch_size - 1) / batch_size;
  const int64_t steps = options.steps ? *options.steps : *options.epochs * batches;

  while (task.steps < steps) {
    if (options.shuffle) shuffle.Shuffle(order_.data(), task.examples);
    for (int64_t first = 0; first < task.examples && task.steps < steps; first += batch_size) {
      if (*setup_.stop)
        throw InterruptedError("interrupted in round " + std::to_string(task.round));
      const int64_t n = std::min(batch_size, task.examples - first);
      setup_.dataset->Gather(Split::kTrain, order_.data() + first, n, &augment, batch_);
      const double loss = replica_->Gradient(batch_, dropout);
      ++task.steps;
      if (!std::isfinite(loss)) Diverged(task, "the training loss", loss);
      task.loss_sum += loss * static_cast<double>(n);
      task.examples_seen += n;
      Step(task);
    }
  }

  Update update;
  update.delta = delta_;
  update.buffers = replica_->buffers;
  update.examples = task.examples;
  update.squared_norm = Subtract(delta_, task.server.parameters, replica_->parameters);
  if (!std::isfinite(update.squared_norm)) Diverged(task, "the update", update.squared_norm);
  setup_.strategy->Finish(task, update);
  return update;
}

void Trainer::Step(const ClientTask& task) {
  const TrainingOptions& options = setup_.options;
  const at::Tensor& gradient = replica_->gradient;
  setup_.strategy->CorrectGradient(task, gradient);
  if (options.clip_norm > 0) {
    const double norm = std::sqrt(SquaredNorm(gradient));
    if (norm > options.clip_norm) Scale(gradient, options.clip_norm / norm);
  }
  if (options.optimizer == "adam") {
    Apply(AdamStep{task.lr, 0.9, 0.999, 1e-8, options.weight_decay, task.steps},
          replica_->parameters, gradient, first_moment_, second_moment_);
  } else {
    Apply(SgdStep{task.lr, options.momentum, options.weight_decay, task.steps == 1},
          replica_->parameters, gradient, first_moment_);
  }
}

}  // namespace flsim
