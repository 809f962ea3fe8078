#include "engine/round/round_runner.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <new>

#include "engine/core/vector_ops.h"

namespace flsim {
namespace {

/// Into how many parts a cohort is cut at most, and at least (if it has as many clients): many
/// enough to keep workers evenly busy.
constexpr int64_t kMostParts = 256, kFewestParts = 8;
/// Examples trained on times parameters that a part of the `linear` backend is worth: 10 to 20 us
/// of linear regression, so that handing out and folding parts costs little beside. Other backends
/// take longer for a single step.
constexpr int64_t kPartWork = 4096;

/// Never derived from the number of workers: the parts decide the order of additions.
int64_t PartsOf(const std::vector<CohortMember>& cohort, const TrainingSetup& setup) {
  const auto clients = static_cast<int64_t>(cohort.size());
  const int64_t most = std::min(clients, kMostParts);
  if (setup.backend != "linear") return most;
  int64_t examples = 0;
  for (const CohortMember& member : cohort) {
    const TrainingOptions& options = setup.options;
    examples += options.StepsOf(member.examples) * options.BatchOf(member.examples);
  }
  const int64_t worth = examples * setup.network->parameters.size() / kPartWork;
  return std::clamp(worth, std::min(clients, kFewestParts), most);
}

/// Where the state keeps the last round's aggregate delta.
constexpr const char* kPrevious = "aggregator.previous";

/// Notes how long the pseudo-gradient is that another optimizer steps along.
class MeasuredOptimizer : public ServerOptimizer {
 public:
  explicit MeasuredOptimizer(const ServerOptimizer& optimizer)
      : ServerOptimizer({}), optimizer_(optimizer) {}
  void Step(ServerState& state, const at::Tensor& delta) const override {
    squared_norm_ = SquaredNorm(delta);
    optimizer_.Step(state, delta);
  }
  double squared_norm() const { return squared_norm_; }

 private:
  const ServerOptimizer& optimizer_;
  mutable double squared_norm_ = 0;
};

/// Adds round and client to what a failed client says, unless it says so itself.
[[noreturn]] void RethrowForClient(int64_t round, int64_t client) {
  const std::string where = "round " + std::to_string(round) + ", client " + std::to_string(client);
  try {
    throw;
  } catch (const DivergedError&) {
    throw;
  } catch (const InterruptedError&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const c10::Error& error) {
    const std::string what = error.what_without_backtrace();
    if (what.find("can't allocate memory") != std::string::npos) throw std::bad_alloc();
    throw InternalError(where + ": " + what);
  } catch (const DataError&) {
    throw;
  } catch (const ConfigError& error) {
    throw ConfigError(error.what() + (" (" + where) + ")");
  } catch (const std::exception& error) {
    throw InternalError(where + ": " + error.what());
  }
}

}  // namespace

std::vector<CohortMember> FoldOrder(const Partition& partition,
                                    const std::vector<int64_t>& cohort) {
  std::vector<CohortMember> members;
  members.reserve(cohort.size());
  for (const int64_t client : cohort) members.push_back({client, partition.size(client)});
  std::sort(members.begin(), members.end(), [](const CohortMember& a, const CohortMember& b) {
    return a.examples != b.examples ? a.examples > b.examples : a.client < b.client;
  });
  return members;
}

std::string WhySkipped(const Aggregator& aggregator, size_t clients) {
  if (clients == 0) return "nobody arrived";
  return aggregator.WhyNotCohort(static_cast<int64_t>(clients));
}

RoundRunner::RoundRunner(const TrainingSetup& setup, const Aggregator& aggregator, WorkerPool& pool,
                         const std::vector<c10::Device>& devices)
    : setup_(setup),
      aggregator_(aggregator),
      pool_(pool),
      fold_(&aggregator),
      gradient_fold_(nullptr) {
  for (const c10::Device& device : devices)
    trainers_.push_back(std::make_unique<Trainer>(setup, device));
}

void RoundRunner::ForEachClient(const std::vector<CohortMember>& cohort, TreeFold& fold,
                                const std::function<void(Trainer&, FoldPart&, int64_t)>& work,
                                const RoundHooks& hooks) {
  const auto clients = static_cast<int64_t>(cohort.size());
  const int64_t parts = PartsOf(cohort, setup_);
  fold.Start(parts);
  std::atomic<int64_t> done{0};
  pool_.Run(parts + hooks.beside_items, [&](int worker, int64_t part) {
    if (part >= parts) return hooks.beside(worker, part - parts);
    auto sum = fold.Take();
    const int64_t begin = PartBegin(clients, parts, part);
    const int64_t end = PartBegin(clients, parts, part + 1);
    for (int64_t i = begin; i < end; ++i) work(trainer(worker), *sum, i);
    fold.Give(part, std::move(sum));
    const int64_t now = done += end - begin;
    if (hooks.on_progress) hooks.on_progress(now);
  });
}

Aggregate RoundRunner::Run(const ServerState& state, const std::vector<CohortMember>& cohort,
                           ClientStore& store, const RoundHooks& hooks) {
  const auto clients = static_cast<int64_t>(cohort.size());
  const int64_t round = state.round + 1;
  FLSIM_CHECK(WhySkipped(aggregator_, cohort.size()).empty());
  at::Tensor cohort_gradient;
  if (setup_.strategy->Needs().cohort_gradient) cohort_gradient = CohortGradient(state, cohort);

  std::vector<ClientReport> reports(cohort.size());
  if (hooks.cosines) deltas_.resize(std::max(deltas_.size(), cohort.size()));
  const auto work = [&](Trainer& trainer, FoldPart& part, int64_t i) {
    const CohortMember& member = cohort[static_cast<size_t>(i)];
    try {
      using Clock = std::chrono::steady_clock;
      const Clock::time_point begin = hooks.times ? Clock::now() : Clock::time_point();
      const bool trains = !hooks.train;
      if (trains && i + 1 < clients) trainer.Announce(cohort[static_cast<size_t>(i) + 1]);
      ClientTask task = trainer.Prepare(state, member, store);
      task.cohort_gradient = cohort_gradient;
      Update update = trainer.Train(task, hooks.train);
      if (hooks.on_client) hooks.on_client(task, update);
      fold_.Add(part, update);
      if (hooks.cosines) Keep(deltas_[static_cast<size_t>(i)], update.delta);
      ClientReport& report = reports[static_cast<size_t>(i)];
      report = {task.client,
                task.examples,
                task.examples_seen,
                task.steps,
                task.loss_sum,
                task.first_loss,
                task.last_loss,
                aggregator_.UsesWeights() ? update.weight : 1,
                update.squared_norm,
                std::move(update.scalars),
                0,
                {}};
      if (hooks.times) report.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    } catch (...) {
      RethrowForClient(round, member.client);
    }
  };
  ForEachClient(cohort, fold_, work, hooks);

  FoldInput input;
  input.round = round;
  input.seed = setup_.seed;
  input.parallel = [this](int64_t items, const std::function<void(int64_t)>& task) {
    pool_.Run(items, [&](int, int64_t item) { task(item); });
  };
  const auto previous = state.tensors.find(kPrevious);
  if (previous != state.tensors.end()) input.previous_delta = previous->second;
  if (!setup_.root.empty()) {
    pool_.Run(1, [&](int worker, int64_t) { input.root_delta = trainer(worker).TrainRoot(state); });
  }
  FoldPart& whole = fold_.Whole();
  Aggregate aggregate = aggregator_.Finish(*whole.updates, input);
  if (whole.has_extras) {
    for (const at::Tensor& sum : whole.extras) Scale(sum, 1.0 / static_cast<double>(clients));
    aggregate.extras = whole.extras;
  }
  if (hooks.cosines) Compare(aggregate.delta, reports);
  aggregate.clients = std::move(reports);
  aggregate.share = Share(cohort);
  aggregate.lr = setup_.Lr(round);
  aggregate.cohort_gradient = cohort_gradient;
  return aggregate;
}

void RoundRunner::Compare(const at::Tensor& aggregate, std::vector<ClientReport>& reports) {
  const double squared_norm = SquaredNorm(aggregate);
  pool_.Run(static_cast<int64_t>(reports.size()), [&](int, int64_t i) {
    ClientReport& report = reports[static_cast<size_t>(i)];
    const double norms = std::sqrt(squared_norm * report.squared_norm);
    if (norms > 0) report.cosine = Dot(deltas_[static_cast<size_t>(i)], aggregate) / norms;
  });
}

double RoundRunner::Apply(ServerState& state, Aggregate& aggregate,
                          const ServerOptimizer& optimizer) const {
  if (aggregator_.NeedsPrevious()) {
    at::Tensor& previous = state.tensors[kPrevious];
    if (!previous.defined()) previous = Uninitialized(aggregate.delta.numel(), c10::kCPU);
    Copy(previous, aggregate.delta);
  }
  const MeasuredOptimizer measured(optimizer);
  setup_.strategy->UpdateServer(state, aggregate, measured);
  if (state.buffers.numel() > 0) Copy(state.buffers, aggregate.buffers);
  if (!std::isfinite(SquaredNorm(state.parameters))) {
    throw DivergedError("round " + std::to_string(state.round + 1) +
                        ": the global model is not finite; a smaller training.lr or "
                        "server_optimizer.lr may help");
  }
  return std::sqrt(measured.squared_norm());
}

at::Tensor RoundRunner::CohortGradient(const ServerState& state,
                                       const std::vector<CohortMember>& cohort) {
  double total = 0;
  const auto weight = [&](const CohortMember& member) {
    return aggregator_.UsesWeights() ? static_cast<double>(member.examples) : 1.0;
  };
  for (const CohortMember& member : cohort) total += weight(member);
  const auto work = [&](Trainer& trainer, FoldPart& part, int64_t i) {
    const CohortMember& member = cohort[static_cast<size_t>(i)];
    try {
      const ClientTask task = trainer.TaskOf(state, member, state.round + 1);
      Update update;
      update.extras.push_back(trainer.Scratch(0));
      trainer.FullGradient(task, state.parameters, update.extras[0]);
      Scale(update.extras[0], weight(member) / total);
      gradient_fold_.Add(part, update);
    } catch (...) {
      RethrowForClient(state.round + 1, member.client);
    }
  };
  ForEachClient(cohort, gradient_fold_, work, {});
  return gradient_fold_.Whole().extras[0];
}

double RoundRunner::Share(const std::vector<CohortMember>& cohort) const {
  if (!aggregator_.UsesWeights()) {
    return static_cast<double>(cohort.size()) / static_cast<double>(setup_.partition->clients());
  }
  int64_t examples = 0;
  for (const CohortMember& member : cohort) examples += member.examples;
  return static_cast<double>(examples) / static_cast<double>(setup_.partition->offsets.back());
}

}  // namespace flsim
