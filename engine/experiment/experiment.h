// An experiment built from its config: every component, checked against each other, and (once
// loaded) the data.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/experiment/config.h"

namespace flsim {

class Experiment {
 public:
  /// Builds all components without reading any data. Throws ConfigError "FILE has N problems" with
  /// everything found in the JSON and in what the components say of each other.
  Experiment(const Json& json, const std::string& file);

  /// The experiment in a config file (- is standard input), changed by `overrides` (KEY=VALUE).
  static Experiment Read(const std::string& file, const std::vector<std::string>& overrides);

  /// Reads the data, draws the partition and prepares the initial model. Throws DataError or
  /// ConfigError.
  void Load();

  const ExperimentConfig& config() const { return config_; }
  /// The config with every default spelled out.
  const Json& resolved() const { return resolved_; }
  const Network& network() const { return *network_; }
  const std::string& backend() const { return backend_; }
  /// One device for each worker.
  const std::vector<c10::Device>& worker_devices() const { return worker_devices_; }
  int workers() const { return static_cast<int>(worker_devices_.size()); }

  const Dataset& dataset() const { return *dataset_; }
  const Sampler& sampler() const { return *sampler_; }
  const Strategy& strategy() const { return *strategy_; }
  const ServerOptimizer& server_optimizer() const { return *server_optimizer_; }
  std::unique_ptr<Aggregator> MakeAggregator() const;

  /// The members below exist once loaded.
  const Partition& partition() const { return partition_; }
  const PartitionInput& partition_input() const { return partition_input_; }
  /// Round 0: the initial model and what the strategy keeps.
  ServerState InitialState() const;

 private:
  void Build(Problems& problems);
  void CheckPopulation(Problems& problems) const;

  std::string file_;
  ExperimentConfig config_;
  Json resolved_;
  std::unique_ptr<Dataset> dataset_;
  std::unique_ptr<Partitioner> partitioner_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<Network> network_;
  std::string backend_;
  std::vector<c10::Device> worker_devices_;
  std::unique_ptr<Sampler> sampler_;
  std::unique_ptr<Strategy> strategy_;
  std::unique_ptr<ServerOptimizer> server_optimizer_;
  PartitionInput partition_input_;
  Partition partition_;
};

}  // namespace flsim
