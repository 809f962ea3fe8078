#include "engine/experiment/experiment.h"

#include <algorithm>

#include "engine/core/device.h"
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
  if (config_.sampler.make) Collect(problems, [&] { sampler_ = config_.sampler.Make({}); });
  if (config_.strategy.make) Collect(problems, [&] { strategy_ = config_.strategy.Make({}); });
  if (config_.server_optimizer.make) {
    Collect(problems, [&] { server_optimizer_ = config_.server_optimizer.Make({}); });
  }
  if (dataset_ && config_.model.make) {
    Collect(problems, [&] {
      model_ = config_.model.Make({dataset_->facts()});
      network_ =
          std::make_unique<Network>(BuildNetwork(model_->Layers(), dataset_->facts(), "model"));
      backend_ = ResolveBackend(config_.runtime.backend, *network_);
    });
  }
  const auto devices = ParseDevices(config_.runtime.devices, "runtime.devices", problems);
  const int64_t workers = config_.runtime.workers == 0 ? AvailableCores() : config_.runtime.workers;
  for (int64_t i = 0; i < workers && !devices.empty(); ++i) {
    worker_devices_.push_back(devices[static_cast<size_t>(i) % devices.size()]);
  }
  CheckPopulation(problems);
}

void Experiment::CheckPopulation(Problems& problems) const {
  if (!partitioner_) return;
  const int64_t clients = partitioner_->clients();
  if (clients > 0 && sampler_) sampler_->CheckPopulation(clients, "sampler", problems);
  if (!dataset_) return;
  const int64_t examples = dataset_->facts().train_examples;
  if (examples >= 0 && clients > examples) {
    problems.Add("partition.clients", "must be at most " + std::to_string(examples) +
                                          " (the training examples of the data set), got " +
                                          std::to_string(clients));
  }
}

void Experiment::Load() {
  dataset_->Load(AvailableCores());
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
    sampler_->CheckPopulation(partition_.clients(), "sampler", problems);
  });
  problems.ThrowIfAny(file_);
}

std::unique_ptr<Aggregator> Experiment::MakeAggregator() const {
  Aggregator::Context context;
  context.parameters = network_->parameters.size();
  context.buffers = network_->buffers.size();
  return config_.aggregator.Make(context);
}

ServerState Experiment::InitialState() const {
  ServerState state;
  const c10::Device cpu(c10::kCPU);
  state.parameters = Zeros(network_->parameters.size(), cpu);
  state.buffers = Zeros(network_->buffers.size(), cpu);
  if (model_->init().empty()) {
    InitializeParameters(*network_, config_.seed, state.parameters, state.buffers);
  } else {
    LoadParameters(*network_, model_->init(), state.parameters, state.buffers);
  }
  strategy_->InitState(state);
  return state;
}

}  // namespace flsim
