#include "engine/experiment/experiment.h"

#include <algorithm>
#include <numeric>
#include <tuple>

#include "engine/core/device.h"
#include "engine/core/files.h"
#include "engine/core/vector_ops.h"

namespace flsim {
namespace {

/// Runs `build`, turning what it refuses into a problem.
template <class F>
void Collect(Problems& problems, const F& build) {
  try {
    build();
  } catch (const ConfigError& error) {
    problems.AddLine(error.what());
  }
}

}  // namespace

Experiment::Experiment(const Json& json, const std::string& file) : file_(file) {
  Problems problems;
  config_ = ParseConfig(json, problems);
  Build(problems);
  problems.ThrowIfAny(file);
  resolved_ = ResolvedConfig(config_);
}

Experiment Experiment::Read(const std::string& file, const std::vector<std::string>& overrides) {
  return Experiment(ReadConfigJson(file, overrides), file == "-" ? "standard input" : file);
}

void Experiment::Build(Problems& problems) {
  // A component whose own options are wrong is empty here, and what depends on it is left
  // unchecked.
  if (config_.dataset.make) {
    Collect(problems, [&] { dataset_ = config_.dataset.Make({config_.seed}); });
  }
  if (config_.partition.make) Collect(problems, [&] { partitioner_ = config_.partition.Make({}); });
  if (config_.sampler.make)
    Collect(problems, [&] { sampler_ = config_.sampler.Make({config_.rounds}); });
  if (dataset_ && config_.model.make) Collect(problems, [&] { BuildModel(); });
  if (network_) BuildAlgorithm(problems);
  const auto devices = ParseDevices(config_.runtime.devices, "runtime.devices", problems);
  const int64_t workers = config_.runtime.workers == 0 ? AvailableCores() : config_.runtime.workers;
  for (int64_t i = 0; i < workers && !devices.empty(); ++i) {
    worker_devices_.push_back(devices[static_cast<size_t>(i) % devices.size()]);
  }
  CheckPopulation(problems);
}

void Experiment::BuildModel() {
  model_ = config_.model.Make({dataset_->facts()});
  network_ = std::make_unique<Network>(BuildNetwork(model_->Layers(), dataset_->facts(), "model"));
}

void Experiment::BuildAlgorithm(Problems& problems) {
  if (config_.training.lr_schedule.make) {
    Collect(problems, [&] { lr_schedule_ = config_.training.lr_schedule.Make({config_.rounds}); });
  }
  if (config_.server_lr_schedule.make) {
    Collect(problems,
            [&] { server_lr_schedule_ = config_.server_lr_schedule.Make({config_.rounds}); });
  }
  if (config_.strategy.make) {
    Collect(problems, [&] {
      strategy_ = config_.strategy.Make(
          {&network_->parameters, network_->buffers.size(), config_.training});
    });
  }
  if (config_.server_optimizer.make) {
    Collect(problems, [&] {
      server_optimizer_ =
          config_.server_optimizer.Make({server_lr_schedule_.get(), &network_->parameters});
    });
  }
  Aggregator::Context context;
  context.parameters = network_->parameters.size();
  context.buffers = network_->buffers.size();
  for (const Choice<PreAggregation>& choice : config_.pre_aggregation) {
    if (!choice.make) return;
    Collect(problems, [&] {
      pre_aggregations_.push_back(choice.Make({}));
      context.pre_aggregations.push_back(pre_aggregations_.back().get());
    });
  }
  if (config_.aggregator.make) {
    Collect(problems, [&] { aggregator_ = config_.aggregator.Make(context); });
  }
  Collect(problems, [&] {
    const bool features = strategy_ && strategy_->Needs().features;
    backend_ = ResolveBackend(config_.runtime.backend, *network_, features);
  });
  if (strategy_) FitToStrategy(problems);
}

void Experiment::FitToStrategy(Problems& problems) {
  const StrategyNeeds needs = strategy_->Needs();
  const std::string& name = config_.strategy.name;
  EvaluationOptions& evaluation = config_.evaluation;
  if (!evaluation.clients) evaluation.clients = needs.personal ? "all" : "none";
  const bool evaluated = evaluation.clients != "none";
  if (!evaluation.held_out) evaluation.held_out = needs.personal && evaluated ? 0.2 : 0.0;
  if (!evaluation.fine_tune_epochs) {
    evaluation.fine_tune_epochs = evaluated ? needs.fine_tune_epochs : 0;
  }
  FitStopping(needs, problems);
  if (!config_.buffers) config_.buffers = needs.local_buffers ? "local" : "average";
  if (needs.local_buffers && config_.buffers == "average") {
    problems.Add("buffers", "strategy " + name +
                                " leaves running statistics with the clients; use \"local\" or "
                                "leave it out");
  }
  if (config_.buffers == "refuse" && network_->buffers.size() > 0) {
    problems.Add("buffers", "is \"refuse\", but model " + config_.model.name + " has " +
                                std::to_string(network_->buffers.size()) +
                                " running statistics (batch_norm); use group_norm, or choose "
                                "\"average\" or \"local\"");
  }
  if (aggregator_) FitAggregator(needs, problems);
  if (*evaluation.fine_tune_epochs > 0 && !evaluated) {
    problems.Add("evaluation.fine_tune_epochs",
                 "has no effect while evaluation.clients is \"none\"; use \"cohort\" or \"all\"");
  }
}

void Experiment::FitStopping(const StrategyNeeds& needs, Problems& problems) {
  StopOptions& stop = config_.stop;
  const bool classifies = dataset_->facts().task == Task::kClassification;
  if (!stop.metric) {
    const std::string kind = classifies ? "accuracy" : "loss";
    stop.metric = needs.personal ? "client_" + kind + "_mean" : "test_" + kind;
  }
  if (!stop.Watches()) return;
  const std::string why = WhyNotTaken(*stop.metric);
  if (!why.empty()) problems.Add("stop.metric", why);
}

std::string Experiment::WhyNotTaken(const std::string& metric) const {
  const bool classifies = dataset_->facts().task == Task::kClassification;
  const bool accuracy = metric.find("accuracy") != std::string::npos;
  const bool regression = metric == "test_mse" || metric == "test_r2";
  if ((accuracy && !classifies) || (regression && classifies))
    return metric + " is not taken for " + (classifies ? "classification" : "regression");
  if (metric == "train_loss") return "";
  if (metric.rfind("client_", 0) == 0 && config_.evaluation.clients == "none")
    return metric + " is not taken while evaluation.clients is \"none\"";
  if (config_.evaluation.every == 0)
    return metric + " is taken only at the end while evaluation.every is 0";
  return "";
}

void Experiment::FitAggregator(const StrategyNeeds& needs, Problems& problems) const {
  const std::string& name = config_.strategy.name;
  const bool is_mean = aggregator_->IsMean();
  if (needs.weights && (!is_mean || !aggregator_->UsesWeights())) {
    problems.Add("aggregator", "strategy " + name +
                                   " works by the weights of updates; use mean with weighting "
                                   "\"examples\" and no pre_aggregation");
  } else if (needs.mean && !is_mean) {
    problems.Add("aggregator", "strategy " + name +
                                   " makes its server step for the mean of the updates and would "
                                   "be wrong by another aggregate; use mean and no "
                                   "pre_aggregation");
  }
  if (needs.scales_update && aggregator_->RootExamples() > 0) {
    problems.Add("aggregator", config_.aggregator.name +
                                   " compares updates with the server's own plain training, but "
                                   "strategy " +
                                   name + " scales them or leaves a part out");
  }
}

void Experiment::CheckPopulation(Problems& problems) const {
  if (!partitioner_) return;
  const int64_t clients = partitioner_->clients();
  if (clients > 0 && sampler_) CheckSampler(clients, problems);
  if (!dataset_) return;
  const int64_t examples = dataset_->facts().train_examples;
  if (examples >= 0) Collect(problems, [&] { partitioner_->CheckExamples(examples); });
}

void Experiment::CheckSampler(int64_t clients, Problems& problems) const {
  const size_t before = problems.size();
  sampler_->CheckPopulation(clients, "sampler", problems);
  if (problems.size() > before) return;
  const int64_t cohort = sampler_->CohortSize(clients);
  if (cohort == 0 && sampler_->options().over_selection > 1) {
    problems.Add("sampler.over_selection",
                 "sampler " + config_.sampler.name +
                     " decides by itself how many clients a round has; leave it out");
  }
  if (cohort == 0 || !aggregator_) return;
  const std::string refusal = aggregator_->WhyNotCohort(cohort);
  if (!refusal.empty()) problems.Add("aggregator", refusal);
}

std::vector<std::string> Experiment::Warnings() const {
  const EvaluationOptions& evaluation = config_.evaluation;
  if (!strategy_->Needs().personal || evaluation.clients == "none" || *evaluation.held_out > 0) {
    return {};
  }
  return {
      "evaluation.held_out is 0: each client's own model is judged on the very examples that it "
      "was trained on; leave it out, or set it to 0.2, to keep a part of them for this"};
}

std::string Experiment::DataKey() const {
  const std::string key = resolved_.at("dataset").dump();
  return dataset_->UsesSeed() ? key + " " + std::to_string(config_.seed) : key;
}

void Experiment::LoadPartition(LoadedData* shared) {
  if (shared != nullptr) {
    dataset_ = shared->Get(DataKey(), dataset_);
  } else {
    dataset_->Load(AvailableCores());
  }
  partition_input_.examples = dataset_->facts().train_examples;
  partition_input_.dataset_name = config_.dataset.name;
  partition_input_.dataset_hash = dataset_->Hash();
  if (dataset_->facts().task == Task::kClassification) {
    partition_input_.labels = dataset_->TrainLabels();
    partition_input_.classes = static_cast<int32_t>(dataset_->facts().outputs);
  } else if (partitioner_->bins() > 0) {
    partition_input_.labels = QuantileBins(dataset_->TrainTargets(), partitioner_->bins());
    partition_input_.classes = partitioner_->bins();
  }
  Problems problems;
  Collect(problems, [&] {
    partition_ = partitioner_->Split(partition_input_, Rng(config_.seed, {"partition"}));
    CheckSampler(partition_.clients(), problems);
  });
  problems.ThrowIfAny(file_);
}

void Experiment::Load(LoadedData* shared) {
  LoadPartition(shared);
  if (*config_.evaluation.held_out > 0) {
    std::tie(partition_, held_out_) =
        HoldOut(partition_, *config_.evaluation.held_out, config_.seed);
  }
  DrawRoot();
}

std::string Experiment::PartitionHash() const {
  const auto hash = [](const std::vector<int64_t>& v) {
    return Sha256({reinterpret_cast<const char*>(v.data()), v.size() * sizeof(int64_t)});
  };
  return Sha256(hash(partition_.offsets) + hash(partition_.indices));
}

void Experiment::AssumeSizes(const std::vector<int64_t>& sizes) {
  partition_.offsets = {0};
  for (const int64_t size : sizes) {
    partition_.offsets.push_back(partition_.offsets.back() + size);
  }
}

void Experiment::DrawRoot() {
  const int64_t wanted = aggregator_->RootExamples();
  if (wanted == 0) return;
  const auto examples = static_cast<int64_t>(partition_.indices.size());
  if (wanted > examples) {
    throw ConfigError("aggregator.root_examples: must be at most " + std::to_string(examples) +
                      " (what the clients train on), got " + std::to_string(wanted));
  }
  std::vector<int64_t> all = partition_.indices;
  Rng(config_.seed, {"root"}).Shuffle(all.data(), examples);
  root_.assign(all.begin(), all.begin() + wanted);
}

TrainingSetup Experiment::Setup(const std::atomic<bool>& stop) const {
  TrainingSetup setup;
  setup.options = config_.training;
  setup.dataset = dataset_.get();
  setup.partition = &partition_;
  setup.network = network_.get();
  setup.strategy = strategy_.get();
  setup.lr_schedule = lr_schedule_.get();
  setup.backend = backend_;
  setup.local_buffers = local_buffers();
  setup.root = root_;
  setup.seed = config_.seed;
  setup.stop = &stop;
  return setup;
}

ServerState Experiment::InitialState(const std::string& init) const {
  ServerState state;
  const c10::Device cpu(c10::kCPU);
  state.clients = partition_.clients();
  state.parameters = Zeros(network_->parameters.size(), cpu);
  state.buffers = Zeros(network_->buffers.size(), cpu);
  const std::string& file = init.empty() ? model_->init() : init;
  if (file.empty()) {
    InitializeParameters(*network_, config_.seed, state.parameters, state.buffers);
  } else {
    LoadParameters(*network_, file, state.parameters, state.buffers);
  }
  strategy_->InitState(state);
  return state;
}

}  // namespace flsim
