#include "engine/round/trainer.h"

#include <algorithm>
#include <cmath>

#include "engine/core/vector_ops.h"

namespace flsim {
namespace {

/// Examples of a forward and backward pass that is not a local step.
constexpr int64_t kPassBatch = 256;

[[noreturn]] void Diverged(const ClientTask& task, const char* what, double value) {
  const std::string who =
      task.client < 0 ? "the server's root data" : "client " + std::to_string(task.client);
  throw DivergedError("round " + std::to_string(task.round) + ", " + who + ": " + what + " is " +
                      (std::isnan(value) ? "NaN" : "infinite") + " after " +
                      std::to_string(task.steps) + (task.steps == 1 ? " step" : " steps") +
                      "; a smaller training.lr or a training.clip_norm may help");
}

/// Local training without what the strategy adds.
LocalRun PlainRun(const char* purpose) {
  LocalRun run;
  run.plain = true;
  run.purpose = purpose;
  return run;
}

}  // namespace

double TrainingSetup::Lr(int64_t round) const {
  return options.lr * std::pow(options.lr_decay, static_cast<double>(round - 1)) *
         lr_schedule->Factor(round);
}

std::vector<int64_t> TrainingSetup::ClientState() const {
  std::vector<int64_t> sizes = strategy->ClientState();
  if (local_buffers) sizes.push_back(network->buffers.size());
  return sizes;
}

/// Keeps what a pass at other parameters would overwrite.
class Trainer::Borrowed {
 public:
  Borrowed(Trainer& trainer, const at::Tensor& parameters) : trainer_(trainer) {
    Replica& replica = *trainer.replica_;
    Keep(trainer.kept_parameters_, replica.parameters);
    Keep(trainer.kept_gradient_, replica.gradient);
    if (replica.buffers.numel() > 0) Keep(trainer.kept_buffers_, replica.buffers);
    Copy(replica.parameters, parameters);
  }
  ~Borrowed() {
    Replica& replica = *trainer_.replica_;
    Copy(replica.parameters, trainer_.kept_parameters_);
    Copy(replica.gradient, trainer_.kept_gradient_);
    if (replica.buffers.numel() > 0) Copy(replica.buffers, trainer_.kept_buffers_);
  }
  Borrowed(const Borrowed&) = delete;
  Borrowed& operator=(const Borrowed&) = delete;

 private:
  Trainer& trainer_;
};

Trainer::Trainer(const TrainingSetup& setup, c10::Device device)
    : setup_(setup),
      needs_(setup.strategy->Needs()),
      replica_(MakeReplica(setup.backend, *setup.network, device)),
      batch_(device),
      main_draws_(setup.seed, ""),
      adam_(setup.options.optimizer == "adam") {
  const int64_t size = setup.network->parameters.size();
  if (adam_ || setup.options.momentum > 0) first_moment_ = Uninitialized(size, device);
  if (adam_) second_moment_ = Uninitialized(size, device);
  delta_ = Uninitialized(size, device);
}

ClientTask Trainer::TaskOf(const ServerState& server, const CohortMember& member, int64_t round) {
  ClientTask task(server, *this);
  task.client = member.client;
  task.round = round;
  task.examples = member.examples;
  task.parameters = replica_->parameters;
  task.buffers = replica_->buffers;
  task.lr = setup_.Lr(std::max<int64_t>(1, round));
  return task;
}

ClientTask Trainer::Prepare(const ServerState& server, const CohortMember& member,
                            ClientStore& store) {
  ClientTask task = TaskOf(server, member, server.round + 1);
  task.first_time = !store.Has(member.client);
  task.state = store.Open(member.client);
  return task;
}

void Trainer::Load(const ServerState& server) {
  Copy(replica_->parameters, server.parameters);
  if (replica_->buffers.numel() > 0) Copy(replica_->buffers, server.buffers);
}

void Trainer::LoadModel(const ClientTask& task) {
  Load(task.server);
  const bool own_buffers = setup_.local_buffers && !task.first_time;
  if (own_buffers) Copy(replica_->buffers, task.state.back());
}

Update Trainer::Train(ClientTask& task, const std::function<void(ClientTask&)>& train) {
  LoadModel(task);
  setup_.strategy->Start(task);
  if (train) {
    train(task);
  } else {
    setup_.strategy->Train(task);
  }
  if (setup_.local_buffers) Copy(task.state.back(), replica_->buffers);
  Update update;
  update.delta = delta_;
  update.buffers = replica_->buffers;
  update.client = task.client;
  update.examples = task.examples;
  update.weight = static_cast<double>(task.examples);
  update.squared_norm = Subtract(delta_, task.server.parameters, task.parameters);
  if (!std::isfinite(update.squared_norm)) Diverged(task, "the update", update.squared_norm);
  setup_.strategy->Finish(task, update);
  if (!std::isfinite(update.squared_norm)) Diverged(task, "the update", update.squared_norm);
  return update;
}

void Trainer::Announce(const CohortMember& next) {
  announced_ = setup_.partition->begin(next.client);
  announced_left_ = next.examples;
  const int64_t batch = setup_.options.BatchOf(next.examples);
  for (int64_t i = 0; i < batch; i += 8) __builtin_prefetch(announced_ + i);
}

void Trainer::PrefetchAnnounced(int64_t n) {
  const int64_t now = std::min(n, announced_left_);
  if (now == 0) return;
  setup_.dataset->Prefetch(announced_, now);
  announced_ += now;
  announced_left_ -= now;
}

at::Tensor Trainer::TrainRoot(const ServerState& server) {
  ClientTask task =
      TaskOf(server, {-1, static_cast<int64_t>(setup_.root.size())}, server.round + 1);
  LoadModel(task);
  Run(task, PlainRun("root"));
  const double squared_norm = Subtract(delta_, server.parameters, replica_->parameters);
  if (!std::isfinite(squared_norm)) Diverged(task, "the server's own update", squared_norm);
  return delta_;
}

void Trainer::Personalize(const ServerState& server, int64_t client, std::vector<at::Tensor> state,
                          int64_t fine_tune_epochs) {
  ClientTask task = TaskOf(server, {client, setup_.partition->size(client)}, server.round);
  task.first_time = state.empty();
  task.state = std::move(state);
  LoadModel(task);
  setup_.strategy->Personalize(task);
  if (fine_tune_epochs == 0) return;
  LocalRun fine_tuning = PlainRun("fine_tune");
  fine_tuning.epochs = fine_tune_epochs;
  Run(task, fine_tuning);
}

const int64_t* Trainer::Examples(const ClientTask& task) const {
  return task.client < 0 ? setup_.root.data() : setup_.partition->begin(task.client);
}

Trainer::Draws::Draws(uint64_t seed, const std::string& purpose)
    : shuffle(seed, {purpose + "shuffle"}),
      augment(seed, {purpose + "augment"}),
      dropout(seed, {purpose + "dropout"}) {}

Trainer::Draws Trainer::Draws::At(const ClientTask& task) const {
  // The server's own training shares no client's stream: its purpose tells it apart.
  const uint64_t client = task.client < 0 ? 0 : static_cast<uint64_t>(task.client);
  const auto round = static_cast<uint64_t>(task.round);
  Draws draws = *this;
  for (Rng* rng : {&draws.shuffle, &draws.augment, &draws.dropout}) *rng = rng->At(round, client);
  return draws;
}

void Trainer::CheckStop(const ClientTask& task) const {
  if (*setup_.stop) throw InterruptedError("interrupted in round " + std::to_string(task.round));
}

void Trainer::Run(ClientTask& task, const LocalRun& run) {
  const TrainingOptions& options = setup_.options;
  Draws draws =
      (*run.purpose == 0 ? main_draws_ : Draws(setup_.seed, std::string(run.purpose) + "."))
          .At(task);
  const int64_t* examples = Examples(task);
  order_.assign(examples, examples + task.examples);
  const int64_t batch_size = options.BatchOf(task.examples);
  const int64_t steps =
      run.epochs ? *run.epochs * options.BatchesOf(task.examples) : options.StepsOf(task.examples);
  const std::vector<ParameterRange> frozen =
      run.trained.empty() ? std::vector<ParameterRange>()
                          : setup_.network->parameters.Complement(run.trained);
  FeatureLoss feature_loss;
  const bool strategy_adds = !run.correct && !run.plain;
  if (needs_.features && strategy_adds) {
    feature_loss = [&](const at::Tensor& features) {
      return setup_.strategy->FeatureLoss(task, features);
    };
  }
  // With nothing between gradient and step, a backend may fuse them.
  const bool plain = !run.correct && (run.plain || needs_.plain_gradient);
  const bool fused =
      plain && !feature_loss && run.trained.empty() && options.clip_norm == 0 && !adam_;
  for (int64_t step = 0; step < steps;) {
    if (options.shuffle) draws.shuffle.Shuffle(order_.data(), task.examples);
    for (int64_t first = 0; first < task.examples && step < steps; first += batch_size) {
      CheckStop(task);
      const int64_t n = std::min(batch_size, task.examples - first);
      PrefetchAnnounced(n);
      setup_.dataset->Gather(Split::kTrain, order_.data() + first, n, &draws.augment, batch_);
      if (!fused) dropout_at_step_ = draws.dropout;
      ++step;
      const double loss =
          fused ? replica_->Step(batch_, draws.dropout, Sgd(task, step), first_moment_)
                : replica_->Gradient(batch_, draws.dropout, feature_loss ? &feature_loss : nullptr);
      if (run.counted) {
        if (task.steps++ == 0) task.first_loss = loss;
        task.last_loss = loss;
        task.loss_sum += loss * static_cast<double>(n);
        task.examples_seen += n;
      }
      if (!std::isfinite(loss)) Diverged(task, "the training loss", loss);
      if (fused) continue;
      Correct(task, run, frozen);
      Step(task, run, step);
    }
  }
}

void Trainer::Correct(const ClientTask& task, const LocalRun& run,
                      const std::vector<ParameterRange>& frozen) {
  const at::Tensor& gradient = replica_->gradient;
  if (run.correct) {
    run.correct(gradient);
  } else if (!run.plain) {
    setup_.strategy->CorrectGradient(task, gradient);
  }
  for (const ParameterRange& range : frozen) Fill(gradient.narrow(0, range.begin, range.size), 0);
  const double clip_norm = setup_.options.clip_norm;
  if (clip_norm == 0) return;
  const double norm = std::sqrt(SquaredNorm(gradient));
  if (norm > clip_norm) Scale(gradient, clip_norm / norm);
}

SgdStep Trainer::Sgd(const ClientTask& task, int64_t step) const {
  // A local run starts from nothing, whatever ran before it: its first step has no momentum.
  return {task.lr, setup_.options.momentum, setup_.options.weight_decay, step == 1};
}

void Trainer::Step(const ClientTask& task, const LocalRun& run, int64_t step) {
  const TrainingOptions& options = setup_.options;
  const auto apply = [&](const at::Tensor& w, const at::Tensor& g, const at::Tensor& m,
                         const at::Tensor& v) {
    if (adam_) {
      Apply(AdamStep{task.lr, 0.9, 0.999, 1e-8, options.weight_decay, step}, w, g, m, v);
    } else {
      Apply(Sgd(task, step), w, g, m);
    }
  };
  const Replica& replica = *replica_;
  if (run.trained.empty()) {
    return apply(replica.parameters, replica.gradient, first_moment_, second_moment_);
  }
  for (const ParameterRange& range : run.trained) {
    const auto part = [&](const at::Tensor& x) {
      return x.defined() ? x.narrow(0, range.begin, range.size) : x;
    };
    apply(part(replica.parameters), part(replica.gradient), part(first_moment_),
          part(second_moment_));
  }
}

double Trainer::Loss(const ClientTask& task, const at::Tensor& parameters) {
  const Borrowed borrowed(*this, parameters);
  if (task.buffers.numel() > 0) Copy(replica_->buffers, task.server.buffers);
  double sum = 0;
  for (int64_t first = 0; first < task.examples; first += kPassBatch) {
    CheckStop(task);
    setup_.dataset->Gather(Split::kTrain, Examples(task) + first,
                           std::min(kPassBatch, task.examples - first), nullptr, batch_);
    sum += replica_->Evaluate(batch_).loss;
  }
  const double loss = sum / static_cast<double>(task.examples);
  if (!std::isfinite(loss)) Diverged(task, "the loss of the global model", loss);
  return loss;
}

double Trainer::FullGradient(const ClientTask& task, const at::Tensor& parameters,
                             const at::Tensor& gradient) {
  const Borrowed borrowed(*this, parameters);
  Draws draws = Draws(setup_.seed, "full.").At(task);
  double loss = 0;
  for (int64_t first = 0; first < task.examples; first += kPassBatch) {
    CheckStop(task);
    const int64_t n = std::min(kPassBatch, task.examples - first);
    setup_.dataset->Gather(Split::kTrain, Examples(task) + first, n, &draws.augment, batch_);
    const double share = static_cast<double>(n) / static_cast<double>(task.examples);
    loss += share * replica_->Gradient(batch_, draws.dropout);
    (first == 0 ? SetScaled : AddScaled)(gradient, share, replica_->gradient);
  }
  if (!std::isfinite(loss)) Diverged(task, "the loss of the full gradient", loss);
  return loss;
}

void Trainer::BatchGradient(const at::Tensor& parameters, const at::Tensor& gradient) {
  FLSIM_CHECK(dropout_at_step_.has_value());
  const Borrowed borrowed(*this, parameters);
  Rng dropout = *dropout_at_step_;
  replica_->Gradient(batch_, dropout);
  Copy(gradient, replica_->gradient);
}

at::Tensor Trainer::Features(const at::Tensor& parameters) {
  return replica_->Features(parameters, batch_);
}

const at::Tensor& Trainer::Scratch(int index) {
  while (static_cast<int>(scratch_.size()) <= index) scratch_.emplace_back();
  at::Tensor& scratch = scratch_[static_cast<size_t>(index)];
  if (!scratch.defined()) scratch = Uninitialized(delta_.numel(), delta_.device());
  return scratch;
}

}  // namespace flsim
