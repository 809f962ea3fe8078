// What federation costs: everything that a run does besides its clients' local steps. Runs an
// experiment with one worker; after each round the same number of the same steps (gather, gradient,
// step of SGD) is made on their own, on the same core. Two neighbouring rounds of the machine's
// day are alike, which two programs started one after the other are not. Prints one line of JSON.
#include <ATen/Parallel.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <iostream>
#include <string>
#include <vector>

#include "engine/core/error.h"
#include "engine/experiment/run.h"
#include "tests/benchmark/replica_steps.h"

namespace flsim {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Sees each round's end, makes its steps again, and goes on with the next round.
class StepsAfterRounds : public RecordSink {
 public:
  explicit StepsAfterRounds(const Experiment& experiment)
      : experiment_(experiment),
        steps_(experiment.backend(), experiment.network(), experiment.config().training),
        batch_(c10::Device(c10::kCPU)),
        augment_(1, {"augment"}) {}

  void Round(const RoundRecord& record) override {
    if (record.round >= 1) {
      // The last round is always evaluated.
      const double round_s = SecondsSince(round_start_) - record.evaluation_s.value_or(0);
      steps_.Restart();
      const Clock::time_point start = Clock::now();
      const int64_t steps = TrainCohort(record.cohort);
      const double steps_s = SecondsSince(start);
      FLSIM_CHECK(steps == record.steps, steps, record.steps);
      // The first round warms up.
      if (record.round > 1) rounds_.push_back({{"round_s", round_s}, {"steps_s", steps_s}});
    }
    round_start_ = Clock::now();
  }

  const Json& rounds() const { return rounds_; }

 private:
  int64_t TrainCohort(const std::vector<int64_t>& cohort) {
    const TrainingOptions& options = experiment_.config().training;
    const Partition& partition = experiment_.partition();
    int64_t steps = 0;
    for (const int64_t client : cohort) {
      const int64_t examples = partition.size(client);
      const int64_t batch_size = options.BatchOf(examples);
      for (int64_t epoch = 0; epoch < options.epochs; ++epoch) {
        for (int64_t first = 0; first < examples; first += batch_size, ++steps) {
          const int64_t n = std::min(batch_size, examples - first);
          experiment_.dataset().Gather(Split::kTrain, partition.begin(client) + first, n, &augment_,
                                       batch_);
          steps_.Step(batch_, epoch == 0 && first == 0);
        }
      }
    }
    return steps;
  }

  const Experiment& experiment_;
  ReplicaSteps steps_;
  Batch batch_;
  Rng augment_;
  Clock::time_point round_start_ = Clock::now();
  Json rounds_ = Json::array();
};

}  // namespace
}  // namespace flsim

int main(int argc, char** argv) {
  std::string config, out;
  std::vector<std::string> set;
  CLI::App app("A run's rounds beside their local steps alone, with one worker.");
  app.add_option("--config", config, "Experiment; epochs of SGD")->required();
  app.add_option("--set", set, "Changes of the config, KEY=VALUE")->allow_extra_args(false);
  app.add_option("--out", out, "Run folder; what it holds is replaced")->required();
  CLI11_PARSE(app, argc, argv);
  try {
    at::set_num_threads(1);
    set.insert(set.end(), {"runtime.workers=1", "evaluation.every=0"});
    flsim::Experiment experiment = flsim::Experiment::Read(config, set);
    flsim::RunFolder folder(out, flsim::ExistingRun::kReplace, experiment.resolved());
    experiment.Load();
    flsim::StepsAfterRounds steps(experiment);
    const std::atomic<bool> stop{false};
    flsim::Run(experiment, folder, {&steps}, stop);
    std::cout << flsim::Json({{"backend", experiment.backend()}, {"rounds", steps.rounds()}}).dump()
              << std::endl;
  } catch (const std::exception& error) {
    std::cerr << "federation_benchmark: " << error.what() << "\n";
    return 1;
  }
}
