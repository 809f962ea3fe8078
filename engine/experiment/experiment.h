// An experiment built from its config: every component, checked against each other, and (once
// loaded) the data.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/experiment/config.h"
#include "engine/experiment/loaded_data.h"
#include "engine/round/trainer.h"

namespace flsim {

class Experiment {
 public:
  /// Builds all components without reading any data. Throws ConfigError "FILE has N problems" with
  /// everything found in the JSON and in what the components say of each other.
  Experiment(const Json& json, const std::string& file);

  /// The experiment in a config file (- is standard input), changed by `overrides` (KEY=VALUE).
  static Experiment Read(const std::string& file, const std::vector<std::string>& overrides);

  /// What is legal but hardly meant, each with what to do about it.
  std::vector<std::string> Warnings() const;

  /// Reads the data and draws the partition. Throws DataError or ConfigError.
  void LoadPartition(LoadedData* shared = nullptr);
  /// The same, and puts aside what is held out. `shared`: where the data are taken from if they are
  /// in use already.
  void Load(LoadedData* shared = nullptr);
  /// In place of Load() where the examples are not needed: how many each client has.
  void AssumeSizes(const std::vector<int64_t>& sizes);
  /// The population where the config tells it, else -1.
  int64_t configured_clients() const { return partitioner_->clients(); }

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
  const Schedule& lr_schedule() const { return *lr_schedule_; }
  const Aggregator& aggregator() const { return *aggregator_; }
  /// Whether there are buffers and each client keeps its own.
  bool local_buffers() const { return config_.buffers == "local" && network_->buffers.size() > 0; }

  /// The members below exist once loaded.
  /// Training examples by client; without what is held out.
  const Partition& partition() const { return partition_; }
  /// The examples that clients are evaluated on; null if nothing is held out.
  const Partition* held_out() const { return held_out_.offsets.empty() ? nullptr : &held_out_; }
  /// Training examples of the server itself, where the aggregator asks for them.
  const std::vector<int64_t>& root() const { return root_; }
  Population population() const { return {partition_.clients(), partition_.offsets.data()}; }
  /// SHA-256 of partition().
  std::string PartitionHash() const;
  const PartitionInput& partition_input() const { return partition_input_; }
  /// Round 0: the initial model (that of the file `init`, if one is given) and what the strategy
  /// keeps.
  ServerState InitialState(const std::string& init = "") const;
  /// What training needs of all this; `stop` outlives it.
  TrainingSetup Setup(const std::atomic<bool>& stop) const;

 private:
  void Build(Problems& problems);
  void BuildModel();
  void BuildAlgorithm(Problems& problems);
  /// Fills the options whose defaults depend on the strategy, and refuses what it can't work with.
  void FitToStrategy(Problems& problems);
  /// Fills in what early stopping watches, and refuses what is never taken.
  void FitStopping(const StrategyNeeds& needs, Problems& problems);
  void FitAggregator(const StrategyNeeds& needs, Problems& problems) const;
  void CheckPopulation(Problems& problems) const;
  void CheckSampler(int64_t clients, Problems& problems) const;
  void DrawRoot();
  /// All that the data depend on.
  std::string DataKey() const;

  std::string file_;
  ExperimentConfig config_;
  Json resolved_;
  std::shared_ptr<Dataset> dataset_;  ///< the trials of a sweep have the same one
  std::unique_ptr<Partitioner> partitioner_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<Network> network_;
  std::string backend_;
  std::vector<c10::Device> worker_devices_;
  std::unique_ptr<Sampler> sampler_;
  std::unique_ptr<Strategy> strategy_;
  std::unique_ptr<Schedule> lr_schedule_, server_lr_schedule_;
  std::unique_ptr<ServerOptimizer> server_optimizer_;
  std::vector<std::unique_ptr<PreAggregation>> pre_aggregations_;
  std::unique_ptr<Aggregator> aggregator_;
  PartitionInput partition_input_;
  Partition partition_, held_out_;
  std::vector<int64_t> root_;
};

}  // namespace flsim
