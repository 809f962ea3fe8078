// Training steps alone, on one core: programs take turns on fresh examples of an experiment's data
// set, so that whatever else the machine does slows all of them alike. A program is a backend
// ("torch", "auto" ...) or "eager", a bare LibTorch loop. Prints one line of JSON.
#include <ATen/Parallel.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cmath>
#include <functional>
#include <iostream>
#include <numeric>
#include <string>
#include <vector>

#include "engine/core/error.h"
#include "engine/experiment/experiment.h"
#include "tests/benchmark/eager.h"
#include "tests/benchmark/replica_steps.h"

namespace flsim {
namespace {

/// The training set in random order, over and over.
class FreshBatches {
 public:
  FreshBatches(const Dataset& dataset, int64_t batch_size)
      : dataset_(dataset), batch_size_(batch_size), rng_(1, {"order"}) {
    order_.resize(static_cast<size_t>(dataset.facts().train_examples));
    std::iota(order_.begin(), order_.end(), 0);
    FLSIM_CHECK(batch_size >= 1 && order_.size() >= static_cast<size_t>(batch_size), batch_size);
    next_ = size();
  }

  void Next(Batch& batch) {
    if (next_ + batch_size_ > size()) {
      rng_.Shuffle(order_.data(), size());
      next_ = 0;
    }
    dataset_.Gather(Split::kTrain, order_.data() + next_, batch_size_, &rng_, batch);
    next_ += batch_size_;
  }

 private:
  int64_t size() const { return static_cast<int64_t>(order_.size()); }

  const Dataset& dataset_;
  const int64_t batch_size_;
  Rng rng_;
  std::vector<int64_t> order_;
  int64_t next_;
};

struct Program {
  std::string name, runs;                    ///< as asked for; the backend that "auto" stands for
  std::function<double(const Batch&)> step;  ///< returns the loss
};

Program MakeProgram(const std::string& name, const Network& network,
                    const TrainingOptions& training) {
  if (name == "eager") {
    auto steps = std::make_shared<EagerSteps>(network, training);
    return {name, name, [steps](const Batch& batch) { return steps->Step(batch); }};
  }
  const std::string backend = ResolveBackend(name, network);
  auto steps = std::make_shared<ReplicaSteps>(backend, network, training);
  auto first = std::make_shared<bool>(true);
  return {name, backend, [steps, first](const Batch& batch) {
            return steps->Step(batch, std::exchange(*first, false));
          }};
}

/// Examples per second over at least `seconds`, gathering included.
double Rate(const Program& program, FreshBatches& batches, Batch& batch, double seconds) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point start = Clock::now();
  double elapsed = 0;
  int64_t examples = 0;
  while (elapsed < seconds) {
    batches.Next(batch);
    const double loss = program.step(batch);
    if (!std::isfinite(loss)) throw DivergedError(program.name + ": the loss is not finite");
    examples += batch.size();
    elapsed = std::chrono::duration<double>(Clock::now() - start).count();
  }
  return static_cast<double>(examples) / elapsed;
}

void Measure(const Experiment& experiment, const std::vector<std::string>& names, int turns,
             double seconds) {
  const TrainingOptions& training = experiment.config().training;
  FreshBatches batches(experiment.dataset(), training.batch_size);
  std::vector<Program> programs;
  for (const std::string& name : names) {
    programs.push_back(MakeProgram(name, experiment.network(), training));
  }
  Json report = {{"runs", Json::object()}, {"turns", Json::array()}};
  Batch batch(c10::Device(c10::kCPU));
  for (int turn = 0; turn <= turns; ++turn) {
    Json rates = Json::object();
    for (const Program& program : programs) {
      report["runs"][program.name] = program.runs;
      rates[program.name] = Rate(program, batches, batch, seconds);
    }
    if (turn > 0) report["turns"].push_back(rates);  // the first one warms up
  }
  std::cout << report.dump() << std::endl;
}

}  // namespace
}  // namespace flsim

int main(int argc, char** argv) {
  std::string config;
  std::vector<std::string> set, programs = {"torch", "auto"};
  int turns = 10;
  double seconds = 0.5;
  CLI::App app("Training steps alone: programs in turns, on one core.");
  app.add_option("--config", config, "Experiment; its data set, model and training count")
      ->required();
  app.add_option("--set", set, "Changes of the config, KEY=VALUE")->allow_extra_args(false);
  app.add_option("--programs", programs, "Backends, or eager for a bare LibTorch loop")
      ->delimiter(',');
  app.add_option("--turns", turns, "Turns of each program, after a first one that warms up");
  app.add_option("--turn-s", seconds, "Seconds of one program's turn");
  CLI11_PARSE(app, argc, argv);
  try {
    at::set_num_threads(1);
    flsim::Experiment experiment = flsim::Experiment::Read(config, set);
    experiment.LoadPartition();
    flsim::Measure(experiment, programs, turns, seconds);
  } catch (const std::exception& error) {
    std::cerr << "step_benchmark: " << error.what() << "\n";
    return 1;
  }
}
