#include "engine/sweep/plan.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <numeric>
#include <string>

#include "engine/experiment/run_progress.h"
#include "engine/round/cohort.h"
#include "engine/round/evaluation.h"

namespace flsim {
namespace {

/// What a second worker and each further one adds to the first: rounds end with waiting.
constexpr double kFurtherWorker = 0.9;
/// Of the state that clients keep, in bytes.
constexpr int64_t kNoLimit = int64_t{1} << 50;

int64_t ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  int64_t pages = 0, resident = 0;
  file >> pages >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

double WithWorkers(const TrialCost& cost, int workers) {
  return cost.start_s + cost.rounds_s / (1 + kFurtherWorker * (workers - 1));
}

/// When the last trial ends, if each in turn takes the slot that is free first.
double Makespan(const std::vector<TrialCost>& costs, int parallel, int workers) {
  std::vector<double> free(static_cast<size_t>(parallel), 0);
  for (const TrialCost& cost : costs) {
    *std::min_element(free.begin(), free.end()) += WithWorkers(cost, workers);
  }
  return *std::max_element(free.begin(), free.end());
}

/// Seconds of one worker for the training of `members` of the first round.
double Train(const Experiment& experiment, RoundRunner& runner, const TrainingSetup& setup,
             const ServerState& state, const std::vector<CohortMember>& members) {
  ClientStore store(setup.ClientState(), kNoLimit, "");
  std::vector<int64_t> clients;
  for (const CohortMember& member : members) clients.push_back(member.client);
  std::sort(clients.begin(), clients.end());
  store.Begin(clients);
  const Stopwatch wall;
  runner.Run(state, members, store, {});
  store.Abandon();
  return wall.Seconds();
}

}  // namespace

TrialCost MeasureTrial(Experiment& experiment, LoadedData& data, const std::atomic<bool>& stop) {
  constexpr double kShort = 0.2;  // seconds: then a whole round is measured
  experiment.Load(&data);
  const int64_t before = ResidentBytes();
  TrialCost cost;
  const ExperimentConfig& config = experiment.config();
  const Stopwatch start;
  WorkerPool pool(1);
  const TrainingSetup setup = experiment.Setup(stop);
  RoundRunner runner(setup, experiment.aggregator(), pool, {experiment.worker_devices()[0]});
  Evaluator evaluator(
      setup, pool, runner,
      {config.evaluation.batch_size, experiment.held_out(), *config.evaluation.fine_tune_epochs});
  const ServerState state = experiment.InitialState();
  cost.start_s = start.Seconds();

  const Cohort cohort = SampleCohort(experiment.sampler(), experiment.population(), config.seed, 1,
                                     [&](const std::vector<int64_t>& clients) {
                                       return std::vector<double>(clients.size(), 1.0);
                                     });
  const std::vector<CohortMember> members = FoldOrder(experiment.partition(), cohort.clients);
  double round_s = 0;
  if (!members.empty() && WhySkipped(experiment.aggregator(), 1).empty()) {
    const auto examples = [](double sum, const CohortMember& m) {
      return sum + static_cast<double>(m.examples);
    };
    const CohortMember& typical = members[members.size() / 2];
    const double all = std::accumulate(members.begin(), members.end(), 0.0, examples);
    round_s = Train(experiment, runner, setup, state, {typical}) * all /
              static_cast<double>(typical.examples);
  }
  const bool whole = WhySkipped(experiment.aggregator(), members.size()).empty();
  if (round_s < kShort && whole) round_s = Train(experiment, runner, setup, state, members);
  double test_s = 0;
  if (evaluator.TestItems() > 0) {
    const Stopwatch wall;
    pool.Run(1, [&](int worker, int64_t item) { evaluator.TestItem(state, worker, item); });
    test_s = wall.Seconds() * static_cast<double>(evaluator.TestItems());
  }
  if (config.evaluation.clients != "none" && !members.empty()) {
    const bool all = config.evaluation.clients == "all";
    const int64_t clients =
        all ? experiment.partition().clients() : static_cast<int64_t>(members.size());
    const ClientStore store(setup.ClientState(), kNoLimit, "");
    const Stopwatch wall;
    evaluator.Clients(state, {members[members.size() / 2].client}, store);
    test_s += wall.Seconds() * static_cast<double>(clients);
  }
  const auto rounds = static_cast<double>(config.rounds);
  const int64_t every = config.evaluation.every;
  const double tests = every == 0 ? 1 : rounds / static_cast<double>(every) + 1;
  cost.rounds_s = rounds * round_s + tests * test_s;
  cost.bytes = std::max<int64_t>(0, ResidentBytes() - before);
  return cost;
}

SweepPlan PlanSweep(const std::vector<TrialCost>& costs, int cores, int64_t memory, int parallel,
                    int wanted_workers) {
  int64_t each = 0;
  for (const TrialCost& cost : costs) each = std::max(each, cost.bytes);
  const auto trials = static_cast<int>(std::min<size_t>(costs.size(), 1 << 16));
  SweepPlan best;
  best.seconds = std::numeric_limits<double>::infinity();
  const int most = std::max(1, std::min(parallel == 0 ? cores : parallel, trials));
  for (int p = parallel == 0 ? 1 : most; p <= most; ++p) {
    const int workers = wanted_workers > 0 ? wanted_workers : std::max(1, cores / p);
    const int64_t bytes = (p - 1) * each;
    if (p > 1 && parallel == 0 && bytes > memory) break;
    // More workers than cores share them.
    const double crowded = std::max(1.0, static_cast<double>(p) * workers / cores);
    const double seconds = Makespan(costs, p, workers) * crowded;
    constexpr double kWorthMore = 0.99;  // more memory is to be worth it
    if (seconds < kWorthMore * best.seconds)
      best = {p, workers, seconds, bytes, wanted_workers > 0 ? 1 : cores};
  }
  return best;
}

int64_t PeakMemory() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<int64_t>(usage.ru_maxrss) * 1024;
}

int64_t AvailableMemory() {
  std::ifstream file("/proc/meminfo");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("MemAvailable:", 0) == 0) return std::stoll(line.substr(13)) * 1024;
  }
  return std::numeric_limits<int64_t>::max();
}

}  // namespace flsim
