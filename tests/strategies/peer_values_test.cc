// The server side against peers' own code; tests/reference/peers.py says what was computed.
#include <catch2/catch.hpp>
#include <cmath>

#include "engine/core/safetensors.h"
#include "engine/core/vector_ops.h"
#include "strategies/aggregator.h"
#include "strategies/strategy.h"
#include "tests/strategies/component.h"

namespace flsim {
namespace {

/// A client whose training was recorded: all that can be asked for is its loss.
class Recorded : public LocalTraining {
 public:
  explicit Recorded(double loss) : loss_(loss) {}
  double Loss(const ClientTask&, const at::Tensor&) override { return loss_; }
  void Run(ClientTask&, const LocalRun&) override { Unrecorded(); }
  double FullGradient(const ClientTask&, const at::Tensor&, const at::Tensor&) override {
    return Unrecorded();
  }
  void BatchGradient(const at::Tensor&, const at::Tensor&) override { Unrecorded(); }
  at::Tensor Features(const at::Tensor&) override { return Unrecorded(), at::Tensor(); }
  const at::Tensor& Scratch(int) override { return scratch_; }

 private:
  static double Unrecorded() { throw std::logic_error("not recorded"); }
  double loss_;
  at::Tensor scratch_;
};

/// One of the cohorts in the file.
struct Cohort {
  Cohort(const SafetensorsFile& file, const std::string& name)
      : initial(*file.Find("initial")),
        examples(*file.Find(name + ".examples")),
        deltas(*file.Find(name + ".deltas")),
        losses(*file.Find(name + ".losses")) {}
  int64_t rounds() const { return deltas.size(0); }
  int64_t clients() const { return deltas.size(1); }

  at::Tensor initial, examples, deltas, losses;
};

/// The components that a result's metadata names.
class Server {
 public:
  Server(const Json& config, int64_t parameters) {
    layout_.Add("all", {parameters});
    lr = config.value("lr", lr);
    Strategy::Context of_strategy;
    of_strategy.parameters = &layout_;
    of_strategy.training.lr = lr;
    strategy = BuildComponent<Strategy>(config.value("strategy", Json("fedavg")), of_strategy);
    for (const Json& options : config.value("pre_aggregation", Json::array()))
      pre_aggregations_.push_back(BuildComponent<PreAggregation>(options));
    Aggregator::Context of_aggregator;
    of_aggregator.parameters = parameters;
    for (const auto& each : pre_aggregations_) of_aggregator.pre_aggregations.push_back(each.get());
    aggregator =
        BuildComponent<Aggregator>(config.value("aggregator", Json("mean")), of_aggregator);
    optimizer = BuildComponent<ServerOptimizer>(config.value("server_optimizer", Json("sgd")));
  }

  /// The aggregate of a round, whose memory `part` keeps. `previous`: that of the round before.
  Aggregate Fold(const Cohort& cohort, int64_t round, const ServerState& state,
                 const at::Tensor& previous, std::unique_ptr<Aggregator::Part>& part) const {
    part = aggregator->NewPart();
    std::vector<ClientReport> reports;
    for (int64_t k = 0; k < cohort.clients(); ++k) {
      Recorded recorded(cohort.losses.const_data_ptr<float>()[round * cohort.clients() + k]);
      ClientTask task(state, recorded);
      task.client = k;
      task.round = round + 1;
      task.examples = static_cast<int64_t>(cohort.examples.const_data_ptr<float>()[k]);
      task.parameters = Uninitialized(state.parameters.numel(), state.parameters.device());
      Copy(task.parameters, state.parameters);
      AddScaled(task.parameters, 1, cohort.deltas[round][k]);
      task.lr = lr;
      Update update;
      update.delta = Uninitialized(state.parameters.numel(), state.parameters.device());
      update.squared_norm = Subtract(update.delta, state.parameters, task.parameters);
      update.buffers = state.buffers;
      update.client = k;
      update.examples = task.examples;
      update.weight = static_cast<double>(task.examples);
      strategy->Finish(task, update);
      aggregator->Add(*part, update);
      ClientReport report;
      report.client = k;
      report.examples = task.examples;
      report.weight = aggregator->UsesWeights() ? update.weight : 1;
      report.squared_norm = update.squared_norm;
      report.scalars = update.scalars;
      reports.push_back(report);
    }
    FoldInput input;
    input.round = round + 1;
    if (aggregator->NeedsPrevious()) input.previous_delta = previous;
    input.parallel = [](int64_t items, const std::function<void(int64_t)>& work) {
      for (int64_t i = 0; i < items; ++i) work(i);
    };
    Aggregate aggregate = aggregator->Finish(*part, input);
    aggregate.clients = std::move(reports);
    aggregate.share = 1;
    aggregate.lr = lr;
    return aggregate;
  }

  std::unique_ptr<Strategy> strategy;
  std::unique_ptr<Aggregator> aggregator;
  std::unique_ptr<ServerOptimizer> optimizer;
  double lr = 0.1;

 private:
  ParameterLayout layout_;
  std::vector<std::unique_ptr<PreAggregation>> pre_aggregations_;
};

ServerState InitialState(const Cohort& cohort) {
  ServerState state;
  state.clients = cohort.clients();
  state.parameters = Zeros(cohort.initial.numel(), cohort.initial.device());
  Copy(state.parameters, cohort.initial);
  state.buffers = Zeros(0, cohort.initial.device());
  return state;
}

/// The largest difference between `sign` * ours and theirs, relative to their largest element.
double Difference(const at::Tensor& ours, double sign, const at::Tensor& theirs) {
  double difference = 0, largest = 0;
  for (int64_t i = 0; i < theirs.numel(); ++i) {
    const double expected = theirs.const_data_ptr<float>()[i];
    difference = std::max(difference, std::abs(sign * ours.const_data_ptr<float>()[i] - expected));
    largest = std::max(largest, std::abs(expected));
  }
  return difference / largest;
}

constexpr double kTolerance = 1e-5;

/// Calls check(result's name, its cohort, its config) for all results of `peer`.
template <class Check>
void ForResults(const SafetensorsFile& file, const std::string& peer, const Check& check) {
  for (const auto& [name, config] : file.metadata) {
    const size_t dot = name.find('.');
    if (name.compare(dot + 1, peer.size() + 1, peer + ".") != 0) continue;
    check(name, Cohort(file, name.substr(0, dot)), Json::parse(config));
  }
}

TEST_CASE("on the same updates our models are those of Flower's strategies, round by round") {
  const SafetensorsFile file = ReadSafetensors("tests/reference/peers.safetensors");
  int results = 0;
  ForResults(file, "flower",
             [&](const std::string& name, const Cohort& cohort, const Json& config) {
               const Server server(config, cohort.initial.numel());
               ServerState state = InitialState(cohort);
               server.strategy->InitState(state);
               for (int64_t round = 0; round < cohort.rounds(); ++round) {
                 std::unique_ptr<Aggregator::Part> part;
                 Aggregate aggregate = server.Fold(cohort, round, state, {}, part);
                 server.strategy->UpdateServer(state, aggregate, *server.optimizer);
                 ++state.round;
                 INFO(name << " " << config.dump() << " after round " << state.round);
                 CHECK(Difference(state.parameters, 1, (*file.Find(name))[round]) <= kTolerance);
               }
               ++results;
             });
  CHECK(results == 3 * 15 + 2);
}

TEST_CASE("on the same updates our robust aggregates are ByzFL's") {
  const SafetensorsFile file = ReadSafetensors("tests/reference/peers.safetensors");
  int results = 0;
  ForResults(file, "byzfl", [&](const std::string& name, const Cohort& cohort, const Json& config) {
    const Server server(config, cohort.initial.numel());
    const ServerState state = InitialState(cohort);
    at::Tensor previous;
    for (int64_t round = 0; round < cohort.rounds(); ++round) {
      std::unique_ptr<Aggregator::Part> part;
      const Aggregate aggregate = server.Fold(cohort, round, state, previous, part);
      INFO(name << " " << config.dump() << " in round " << round + 1);
      CHECK(Difference(aggregate.delta, -1, (*file.Find(name))[round]) <= kTolerance);
      previous = Zeros(aggregate.delta.numel(), aggregate.delta.device());
      Copy(previous, aggregate.delta);
    }
    ++results;
  });
  CHECK(results == 3 * 14 + 2);
}

}  // namespace
}  // namespace flsim
