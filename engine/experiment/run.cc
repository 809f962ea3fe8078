#include "engine/experiment/run.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/core/files.h"
#include "engine/experiment/recording.h"
#include "engine/experiment/update_recorder.h"
#include "engine/round/cohort.h"

namespace flsim {
namespace {

/// One run in progress.
class Running {
 public:
  Running(const Experiment& experiment, RunFolder& folder, const std::vector<RecordSink*>& sinks,
          const std::atomic<bool>& stop)
      : experiment_(experiment),
        folder_(folder),
        sinks_(sinks),
        stop_(stop),
        pool_(experiment.workers()),
        setup_(experiment.Setup(stop)),
        runner_(setup_, experiment.aggregator(), pool_, experiment.worker_devices()),
        evaluator_(setup_, pool_, runner_,
                   {experiment.config().evaluation.batch_size, experiment.held_out(),
                    *experiment.config().evaluation.fine_tune_epochs}),
        store_(setup_.ClientState(), experiment.config().runtime.client_state_mb << 20,
               folder.ClientStateFile()),
        inputs_{
            Sha256(experiment.dataset().Hash() + experiment.PartitionHash()),
            [&sampler = experiment.sampler()](int64_t rounds) { return sampler.FileHash(rounds); }},
        recorder_(folder.path(), experiment.network()) {}

  RunResult Finish() {
    Restore();
    const int64_t first_round = state_.round;
    RunSummary summary = EndOf([this] { AllRounds(); });
    store_.Abandon();
    if (started_) Save();
    SaveParameters(experiment_.network(), folder_.File("model.safetensors"), state_.parameters,
                   state_.buffers);
    Describe(progress_, state_, experiment_.config().seed, summary);
    summary.train_examples_per_s =
        progress_.train_wall_s > 0
            ? static_cast<double>(progress_.examples) / progress_.train_wall_s
            : 0;
    folder_.WriteSummary(summary);
    return {summary, state_, first_round};
  }

 private:
  void AllRounds() {
    if (fresh_) StartFresh();
    while (state_.round < experiment_.config().rounds) {
      if (stop_) throw InterruptedError("interrupted after round " + std::to_string(state_.round));
      OneRound();
      if (store_.WantsCheckpoint() || since_checkpoint_.Seconds() >= CheckpointInterval()) Save();
    }
  }

  void Restore() {
    folder_.Lock();
    const bool has_checkpoint = folder_.has_checkpoint();
    if (has_checkpoint) {
      Checkpoint checkpoint = LoadCheckpoint(folder_.CheckpointFile(), experiment_.network(),
                                             experiment_.partition().clients(), inputs_, store_);
      state_ = std::move(checkpoint.state);
      progress_ = std::move(checkpoint.progress);
    } else {
      state_ = experiment_.InitialState();
    }
    if (state_.round > experiment_.config().rounds) {
      throw ConfigError("rounds: must be at least " + std::to_string(state_.round) +
                        " (those the run has done), got " +
                        std::to_string(experiment_.config().rounds));
    }
    fresh_ = !has_checkpoint;
    started_ = has_checkpoint;
    folder_.Begin(fresh_ ? -1 : state_.round);
  }

  void StartFresh() {
    if (experiment_.config().output.record_updates) {
      WriteOrigin(folder_.path(), experiment_);
      recorder_.Global(state_);
    }
    RoundRecord record;
    if (experiment_.config().evaluation.every > 0) Evaluate(record, {});
    started_ = true;
    Report(record);
  }

  void OneRound() {
    const Stopwatch wall;
    const ExperimentConfig& config = experiment_.config();
    const int64_t round = state_.round + 1;
    RoundRecord record;
    record.round = round;
    const Cohort cohort = SampleCohort(
        experiment_.sampler(), experiment_.population(), config.seed, round,
        [this](const std::vector<int64_t>& clients) { return evaluator_.Losses(state_, clients); });
    record.skipped = WhySkipped(experiment_.aggregator(), cohort.clients.size());
    if (record.skipped.empty()) record.cohort = cohort.clients;
    RoundHooks hooks;
    if (config.output.record_updates) {
      recorder_.StartRound(round);
      hooks.on_client = [this](const ClientTask& task, const Update& update) {
        recorder_.Client(task, update);
      };
    }
    hooks.on_progress = [&](int64_t clients_done) {
      for (RecordSink* sink : sinks_)
        sink->Progress(round, clients_done, static_cast<int64_t>(record.cohort.size()));
    };
    store_.Begin(record.cohort);
    Aggregate aggregate;
    if (!record.cohort.empty()) {
      aggregate =
          runner_.Run(state_, FoldOrder(experiment_.partition(), record.cohort), store_, hooks);
    }
    // What fails from here on leaves the last whole round.
    ServerState before = Clone(state_);
    const RunProgress progress_before = progress_;
    try {
      Advance(aggregate, cohort.selected, wall, record);
    } catch (...) {
      state_ = std::move(before);
      progress_ = progress_before;
      throw;
    }
    store_.Commit();
    if (config.output.record_updates) {
      recorder_.FinishRound(round, aggregate.clients);
      recorder_.Global(state_);
    }
    Report(record);
  }

  /// The server's half of a round, and its evaluation.
  void Advance(Aggregate& aggregate, int64_t selected, const Stopwatch& wall, RoundRecord& record) {
    const ExperimentConfig& config = experiment_.config();
    Summarize(aggregate, record);
    CountBytes(aggregate, selected, record);
    if (!aggregate.clients.empty()) {
      record.update_norm = runner_.Apply(state_, aggregate, experiment_.server_optimizer());
    }
    state_.round = record.round;
    record.wall_s = wall.Seconds();
    progress_.wall_s += record.wall_s;
    progress_.train_wall_s += record.wall_s;
    progress_.examples += record.examples;
    if (config.evaluation.Due(record.round, config.rounds)) Evaluate(record, record.cohort);
  }

  void CountBytes(const Aggregate& aggregate, int64_t selected, RoundRecord& record) const {
    const StrategyNeeds needs = experiment_.strategy().Needs();
    const int64_t vector = state_.parameters.numel();
    const int64_t buffers = experiment_.local_buffers() ? 0 : state_.buffers.numel();
    const int64_t model = vector - needs.parameters_kept + buffers;
    // A cohort's gradient is sent up by each client and its mean sent down again.
    const int64_t both_ways = needs.cohort_gradient ? vector : 0;
    const auto extras = static_cast<int64_t>(aggregate.extras.size());
    record.bytes_down = 4 * selected * (model + needs.vectors_down * vector + both_ways);
    record.bytes_up =
        4 * static_cast<int64_t>(aggregate.clients.size()) * (model + extras * vector + both_ways);
  }

  void Evaluate(RoundRecord& record, const std::vector<int64_t>& cohort) {
    const Stopwatch wall;
    record.test = evaluator_.Test(state_);
    if (record.test && !std::isfinite(record.test->loss)) {
      throw DivergedError("round " + std::to_string(record.round) +
                          ": the test loss is not finite; a smaller training.lr or "
                          "server_optimizer.lr may help");
    }
    const std::string& whose = *experiment_.config().evaluation.clients;
    if (whose == "cohort" && !cohort.empty()) {
      record.clients = evaluator_.Clients(state_, cohort, store_);
    }
    if (whose == "all") {
      std::vector<int64_t> all(static_cast<size_t>(experiment_.partition().clients()));
      std::iota(all.begin(), all.end(), 0);
      record.clients = evaluator_.Clients(state_, all, store_);
    }
    if (!record.test && !record.clients) return;
    record.evaluation_s = wall.Seconds();
    progress_.wall_s += *record.evaluation_s;
  }

  void Report(const RoundRecord& record) {
    progress_.Take(record, experiment_.strategy().Needs().personal);
    folder_.Round(record);
    if (record.clients) folder_.WriteClients(*record.clients);
    for (RecordSink* sink : sinks_) sink->Round(record);
  }

  /// Much state of clients takes long to write: at most some twentieth of the time.
  double CheckpointInterval() const {
    const double every = experiment_.config().output.checkpoint_every_s;
    return every == 0 ? 0 : std::max(every, 20 * save_s_);
  }

  void Save() {
    const Stopwatch wall;
    folder_.SyncRounds();
    SaveCheckpoint(folder_.CheckpointFile(), state_, store_, progress_, inputs_);
    save_s_ = wall.Seconds();
    since_checkpoint_ = Stopwatch();
  }

  const Experiment& experiment_;
  RunFolder& folder_;
  const std::vector<RecordSink*>& sinks_;
  const std::atomic<bool>& stop_;
  WorkerPool pool_;
  const TrainingSetup setup_;
  RoundRunner runner_;
  Evaluator evaluator_;
  ClientStore store_;
  const InputHashes inputs_;
  UpdateRecorder recorder_;
  ServerState state_;
  RunProgress progress_;
  Stopwatch since_checkpoint_;
  double save_s_ = 0;     ///< that the latest checkpoint took
  bool fresh_ = true;     ///< no checkpoint to go on from
  bool started_ = false;  ///< round 0 is recorded
};

}  // namespace

RunResult Run(const Experiment& experiment, RunFolder& folder,
              const std::vector<RecordSink*>& sinks, const std::atomic<bool>& stop) {
  return Running(experiment, folder, sinks, stop).Finish();
}

}  // namespace flsim
