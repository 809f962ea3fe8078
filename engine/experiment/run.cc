#include "engine/experiment/run.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>

#include "datasets/partition_statistics.h"
#include "engine/core/files.h"
#include "engine/core/vector_ops.h"
#include "engine/experiment/client_lines.h"
#include "engine/experiment/recording.h"
#include "engine/experiment/update_recorder.h"
#include "engine/round/cohort.h"

namespace flsim {
namespace {

/// One run in progress.
class Running {
 public:
  Running(const Experiment& experiment, RunFolder& folder, const std::vector<RecordSink*>& sinks,
          const std::atomic<bool>& stop, int64_t until)
      : experiment_(experiment),
        folder_(folder),
        sinks_(sinks),
        stop_(stop),
        until_(until),
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
        recorder_(folder.path(), experiment.network()),
        records_clients_(RecordsClients(experiment) || folder.goes_on_with_clients()),
        records_cosines_(records_clients_ && RecordsCosines(experiment)) {}

  RunResult Finish() {
    Restore();
    const int64_t first_round = state_.round;
    RunSummary summary = EndOf([this] { AllRounds(); });
    store_.Abandon();
    const RunSummary end = EndOf([this] { FinishPending(); });
    if (end.status != "completed") summary = end;
    if (summary.status == "completed" && !Ended()) summary.status = "paused";
    if (summary.status == "completed" && state_.round < experiment_.config().rounds)
      summary.stopped = progress_.stop.reason;
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
    if (!progress_.diverged.empty()) throw DivergedError(progress_.diverged);
    if (fresh_) StartFresh();
    while (!Ended() && state_.round < until_) {
      CheckStop();
      OneRound();
      if (store_.WantsCheckpoint() || since_checkpoint_.Seconds() >= CheckpointInterval()) Save();
    }
  }

  /// Whether there is no further round.
  bool Ended() const {
    return state_.round >= experiment_.config().rounds || !progress_.stop.reason.empty();
  }

  void CheckStop() const {
    if (stop_) throw InterruptedError("interrupted after round " + std::to_string(state_.round));
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
    folder_.Begin(fresh_ ? -1 : state_.round, records_clients_);
  }

  void StartFresh() {
    WritePartition();
    if (experiment_.config().output.record_updates) {
      WriteOrigin(folder_.path(), experiment_);
      recorder_.Global(state_);
    }
    RoundRecord record;
    if (experiment_.config().evaluation.every > 0) Evaluate(record, {});
    started_ = true;
    Report(record);
  }

  /// partition.csv, of a population that is small enough to look at.
  void WritePartition() const {
    constexpr int64_t kMostClients = 10000;
    if (experiment_.partition().clients() > kMostClients) return;
    WriteFileAtomically(folder_.File("partition.csv"),
                        PartitionCsv(experiment_.partition(), experiment_.partition_input(),
                                     experiment_.dataset().ClassNames()));
  }

  /// Whether early stopping goes by what is known before a round's evaluation.
  bool WatchesTraining() const { return experiment_.config().stop.metric == "train_loss"; }

  /// Whether a round's test may be left to the workers that find no more clients in the next round.
  /// Nothing but the order of work depends on it. One that is likely to take longer than a few
  /// seconds does not wait: then it could not be interrupted.
  bool MayWait(int64_t round) const {
    constexpr double kLongest = 5;
    const ExperimentConfig& config = experiment_.config();
    return round < config.rounds && progress_.stop.reason.empty() && !config.stop.Watches() &&
           *config.evaluation.clients == "none" && evaluator_.TestItems() > 0 &&
           test_s_ <= kLongest;
  }

  /// Tests and reports the round that waits for it, with all workers.
  void FinishPending() {
    if (!pending_) return;
    const Stopwatch wall;
    pool_.Run(evaluator_.TestItems(),
              [this](int worker, int64_t item) { evaluator_.TestItem(state_, worker, item); });
    ReportPending(wall.Seconds());
  }

  /// Its test is done, for which alone the workers took so many seconds.
  void ReportPending(double seconds) {
    RoundRecord record = std::move(*pending_);
    pending_.reset();
    record.test = evaluator_.TestResult();
    TookEvaluation(seconds, record);
    Report(std::move(record));
  }

  void OneRound() {
    Stopwatch wall;
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
    hooks.times = records_clients_;
    hooks.cosines = records_cosines_;
    if (config.output.record_updates) {
      recorder_.StartRound(round);
      hooks.on_client = [this](const ClientTask& task, const Update& update) {
        recorder_.Client(task, update);
      };
    }
    store_.Begin(record.cohort);
    Aggregate aggregate;
    if (record.cohort.empty()) {
      const Stopwatch test;
      FinishPending();
      wall.LeaveOut(test.Seconds());
    } else {
      aggregate = Train(record, hooks, wall);
    }
    // What fails from here on leaves the last whole round.
    ServerState before = Clone(state_);
    const RunProgress progress_before = progress_;
    bool waits = false;
    try {
      Advance(aggregate, cohort.selected, wall, record);
      if (WatchesTraining()) Watch(config.stop, record, progress_.stop);
      CheckBudget(config.stop, progress_.wall_s, progress_.bytes, progress_.examples,
                  progress_.stop);
      const bool due =
          config.evaluation.Due(round, config.rounds) || !progress_.stop.reason.empty();
      waits = due && MayWait(round);
      if (due && !waits) Evaluate(record, record.cohort);
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
    if (records_clients_) record.reports = std::move(aggregate.clients);
    if (waits) {
      pending_ = std::move(record);
    } else {
      Report(std::move(record));
    }
  }

  /// The clients' half of a round. Workers that find no more of them do the test that waits.
  Aggregate Train(const RoundRecord& record, RoundHooks& hooks, Stopwatch& wall) {
    double trained_s = 0;          // when the last client was done
    std::vector<double> tested_s;  // when each item of the test was done
    hooks.on_progress = [&](int64_t clients_done) {
      const auto clients = static_cast<int64_t>(record.cohort.size());
      if (clients_done == clients) trained_s = wall.Seconds();
      for (RecordSink* sink : sinks_) sink->Progress(record.round, clients_done, clients);
    };
    if (pending_) {
      hooks.beside_items = evaluator_.TestItems();
      tested_s.resize(static_cast<size_t>(hooks.beside_items));
      hooks.beside = [&](int worker, int64_t item) {
        evaluator_.TestItem(state_, worker, item);
        tested_s[static_cast<size_t>(item)] = wall.Seconds();
      };
    }
    Aggregate aggregate =
        runner_.Run(state_, FoldOrder(experiment_.partition(), record.cohort), store_, hooks);
    if (pending_) {
      const Stopwatch reporting;
      const double last = *std::max_element(tested_s.begin(), tested_s.end());
      const double alone = std::max(0.0, last - trained_s);
      ReportPending(alone);
      wall.LeaveOut(alone + reporting.Seconds());
      CheckStop();  // who stops at the sight of a record gets no further round
    }
    return aggregate;
  }

  /// The server's half of a round.
  void Advance(Aggregate& aggregate, int64_t selected, const Stopwatch& wall, RoundRecord& record) {
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
    progress_.bytes += record.bytes_up + record.bytes_down;
  }

  void CountBytes(const Aggregate& aggregate, int64_t selected, RoundRecord& record) const {
    const StrategyNeeds needs = experiment_.strategy().Needs();
    const int64_t vector = state_.parameters.numel();
    const int64_t buffers = experiment_.local_buffers() ? 0 : state_.buffers.numel();
    const int64_t model = vector - needs.parameters_kept + buffers;
    // A cohort's gradient is sent up by each client and its mean sent down again.
    const int64_t both_ways = needs.cohort_gradient ? vector : 0;
    const auto extras = static_cast<int64_t>(aggregate.extras.size());
    const int64_t down = 4 * (model + needs.vectors_down * vector + both_ways);
    const int64_t up = 4 * (model + extras * vector + both_ways);
    record.bytes_down = selected * down;
    record.bytes_up = static_cast<int64_t>(aggregate.clients.size()) * up;
    record.client_bytes = down + up;
  }

  void Evaluate(RoundRecord& record, const std::vector<int64_t>& cohort) {
    const Stopwatch wall;
    record.test = evaluator_.Test(state_);
    test_s_ = wall.Seconds();
    if (record.test && !std::isfinite(record.test->loss)) return;  // for Report() to tell
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
    TookEvaluation(wall.Seconds(), record);
  }

  void TookEvaluation(double seconds, RoundRecord& record) {
    record.evaluation_s = seconds;
    progress_.wall_s += seconds;
  }

  void Report(RoundRecord record) {
    progress_.diverged = DropDivergedTest(record);
    if (progress_.Take(record, experiment_.strategy().Needs().personal)) {
      Keep(best_parameters_, state_.parameters);
      Keep(best_buffers_, state_.buffers);
      best_unsaved_ = true;
    }
    if (progress_.stop.reason.empty() && !WatchesTraining()) {
      Watch(experiment_.config().stop, record, progress_.stop);
    }
    folder_.Round(record);
    if (records_clients_) folder_.Clients(ClientLines(record, experiment_.partition()));
    for (RecordSink* sink : sinks_) sink->Round(record);
    if (!progress_.diverged.empty()) throw DivergedError(progress_.diverged);
  }

  /// Much state of clients takes long to write: at most some twentieth of the time.
  double CheckpointInterval() const {
    const double every = experiment_.config().output.checkpoint_every_s;
    return every == 0 ? 0 : std::max(every, 20 * save_s_);
  }

  void Save() {
    FinishPending();
    const Stopwatch wall;
    if (best_unsaved_) {
      SaveParameters(experiment_.network(), folder_.File("best.safetensors"), best_parameters_,
                     best_buffers_);
      best_unsaved_ = false;
    }
    folder_.Sync();
    SaveCheckpoint(folder_.CheckpointFile(), state_, store_, progress_, inputs_);
    save_s_ = wall.Seconds();
    since_checkpoint_ = Stopwatch();
  }

  const Experiment& experiment_;
  RunFolder& folder_;
  const std::vector<RecordSink*>& sinks_;
  const std::atomic<bool>& stop_;
  const int64_t until_;
  WorkerPool pool_;
  const TrainingSetup setup_;
  RoundRunner runner_;
  Evaluator evaluator_;
  ClientStore store_;
  const InputHashes inputs_;
  UpdateRecorder recorder_;
  const bool records_clients_, records_cosines_;
  ServerState state_;
  RunProgress progress_;
  at::Tensor best_parameters_, best_buffers_;
  bool best_unsaved_ = false;           ///< best.safetensors is older than that
  std::optional<RoundRecord> pending_;  ///< the last round, where its evaluation waits
  double test_s_ = std::numeric_limits<double>::infinity();  ///< that the last one took by itself
  Stopwatch since_checkpoint_;
  double save_s_ = 0;     ///< that the latest checkpoint took
  bool fresh_ = true;     ///< no checkpoint to go on from
  bool started_ = false;  ///< round 0 is recorded
};

}  // namespace

RunResult Run(const Experiment& experiment, RunFolder& folder,
              const std::vector<RecordSink*>& sinks, const std::atomic<bool>& stop, int64_t until) {
  return Running(experiment, folder, sinks, stop, until).Finish();
}

}  // namespace flsim
