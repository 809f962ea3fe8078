// The experiment's config: the root of all options.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "datasets/dataset.h"
#include "datasets/partition.h"
#include "engine/experiment/stopping.h"
#include "models/backend.h"
#include "models/model.h"
#include "strategies/aggregator.h"
#include "strategies/sampler.h"
#include "strategies/strategy.h"
#include "strategies/training_options.h"

namespace flsim {

struct EvaluationOptions {
  int64_t every = 1, batch_size = 500;
  std::optional<std::string> clients;
  std::optional<double> held_out;
  std::optional<int64_t> fine_tune_epochs;

  /// Whether the model is evaluated after this round, of `rounds` in all.
  bool Due(int64_t round, int64_t rounds) const {
    return round == rounds || (every > 0 && round % every == 0);
  }

  template <class V>
  void Visit(V& v) {
    v(every, "every",
      "Evaluates the global model every so many rounds, before the first and after the last; 0: "
      "only after the last.",
      AtLeast(0));
    v(batch_size, "batch_size", "Examples per forward pass.", Between(1, 1000000));
    v(clients, "clients",
      "Whose own examples a model is evaluated on too: nobody's, the cohort's, or all clients'. If "
      "absent: all for a personalised strategy (each client's own model), else none.",
      OneOf({"none", "cohort", "all"}));
    v(held_out, "held_out",
      "The part of each client's examples that is kept out of training and that clients are "
      "evaluated on; 0: they are evaluated on what they train on. If absent: 0.2 for a "
      "personalised strategy, else 0.",
      FromBelow(0, 1));
    v(fine_tune_epochs, "fine_tune_epochs",
      "Epochs that each client trains its model on its own examples before it is evaluated on "
      "them; the global model stays as it is. If absent: what the strategy asks for, mostly 0.",
      Between(0, 1e9));
  }
};

struct RuntimeOptions {
  std::vector<std::string> devices = {"cpu"};
  int64_t workers = 0;
  std::string backend = "auto";
  int64_t client_state_mb = 1024;
  template <class V>
  void Visit(V& v) {
    v(devices, "devices", "Where clients are trained: a list of devices, or \"auto\".");
    v(workers, "workers",
      "Clients trained at the same time; 0: one for each core. Does not change the results.",
      Between(0, 1024));
    v(backend, "backend", "What runs the model; auto takes the fastest that can.",
      OneOf(BackendNames()));
    v(client_state_mb, "client_state_mb",
      "Memory, in units of 1,048,576 bytes, for what clients keep from round to round (a "
      "checkpoint "
      "takes as much again for a moment); the rest lies in a memory-mapped file of the run "
      "folder. Does not change the results.",
      Between(0, 1e9));
  }
};

struct OutputOptions {
  std::string dir = "runs";
  bool record_updates = false;
  double checkpoint_every_s = 30;
  std::string clients = "auto";
  bool tensorboard = false;
  template <class V>
  void Visit(V& v) {
    v(dir, "dir", "The run folder is DIR/name, unless --out names another.");
    v(record_updates, "record_updates",
      "Writes every client's model of every round into the run folder.");
    v(checkpoint_every_s, "checkpoint_every_s",
      "Seconds between checkpoints, which come after a round; 0: after every round. There is "
      "always one at the end.",
      AtLeast(0));
    v(clients, "clients",
      "Whether clients.csv gets a line for each client of each round (who took part, or was "
      "evaluated): auto, all or none. auto: if at most 100,000 lines are to be expected, with the "
      "cosine to the aggregate where a cohort's updates together are at most 1,000,000 numbers.",
      OneOf({"auto", "all", "none"}));
    v(tensorboard, "tensorboard",
      "Writes each round's metrics into the run folder for TensorBoard, too.");
  }
  void Check(Problems& problems, const std::string& path);
};

struct ExperimentConfig {
  std::string name = "experiment";
  uint64_t seed = 1;
  int64_t rounds = 100;
  Choice<Dataset> dataset;
  Choice<Partitioner> partition{"iid"};
  Choice<Model> model{"linear"};
  Choice<Sampler> sampler{"uniform"};
  TrainingOptions training;
  Choice<Strategy> strategy{"fedavg"};
  Choice<Aggregator> aggregator{"mean"};
  std::vector<Choice<PreAggregation>> pre_aggregation;
  Choice<ServerOptimizer> server_optimizer{"sgd"};
  Choice<Schedule> server_lr_schedule{"constant"};
  std::optional<std::string> buffers;
  EvaluationOptions evaluation;
  StopOptions stop;
  RuntimeOptions runtime;
  OutputOptions output;

  template <class V>
  void Visit(V& v) {
    v(name, "name",
      "Name of the experiment and of its run folder; by default the config file's own.");
    v(seed, "seed", "Seed of every random draw.");
    v(rounds, "rounds", "Rounds to run.", Between(0, 4294967295.0));
    v(dataset, "dataset", "The data.");
    v(partition, "partition", "How the training examples are spread over the clients.");
    v(model, "model",
      "The network; by default linear for regression, lenet for images, else softmax.");
    v(sampler, "sampler", "Which clients take part in a round.");
    v(training, "training", "Local training.");
    v(strategy, "strategy", "The federated algorithm.");
    v(aggregator, "aggregator", "How updates are folded into one.");
    v(pre_aggregation, "pre_aggregation",
      "What is done to the cohort's updates, in this order, before the aggregator sees them.");
    v(server_optimizer, "server_optimizer", "How the aggregate moves the global model.");
    v(server_lr_schedule, "server_lr_schedule",
      "How the server optimizer's learning rate changes from round to round.");
    v(buffers, "buffers",
      "Running statistics (batch_norm) of the clients: averaged; local, where each client keeps "
      "its own and the average only serves to evaluate the global model; or refused. If absent: "
      "local "
      "for fedbn, else average.",
      OneOf({"average", "local", "refuse"}));
    v(evaluation, "evaluation", "When and on what the global model is evaluated.");
    v(stop, "stop", "When the run ends before its last round.");
    v(runtime, "runtime", "Devices and workers.");
    v(output, "output", "What is written, and where.");
  }
  void Check(Problems& problems, const std::string& path);
};

/// The JSON of a config file with `overrides` (KEY=VALUE) applied and, where absent, its name set
/// to the file's. The path "-" reads standard input.
Json ReadConfigJson(const std::string& file, const std::vector<std::string>& overrides);

/// Reads the config. Adds every problem found.
ExperimentConfig ParseConfig(Json json, Problems& problems);

/// Every default spelled out; reading it again gives the same config.
Json ResolvedConfig(const ExperimentConfig& config);

/// The schema of a config file, without definitions.
Json ConfigSchema();

/// The keys in which two resolved configs differ, as "training.lr: was 0.1, is 0.2".
std::vector<std::string> ConfigDifferences(const Json& before, const Json& after);

}  // namespace flsim
