#include "engine/experiment/run.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <optional>

#include "engine/core/files.h"
#include "engine/core/vector_ops.h"
#include "engine/experiment/update_recorder.h"
#include "engine/round/cohort.h"

namespace flsim {
namespace {

class Stopwatch {
 public:
  double Seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

std::string DataHash(const Experiment& experiment) {
  const Partition& partition = experiment.partition();
  const auto bytes = [](const std::vector<int64_t>& v) {
    return std::string_view(reinterpret_cast<const char*>(v.data()), v.size() * sizeof(int64_t));
  };
  return Sha256(experiment.dataset().Hash() + Sha256(bytes(partition.offsets)) +
                Sha256(bytes(partition.indices)));
}

/// Whether metrics are better than the best so far: by accuracy where there is one, else by loss.
bool IsBetter(const Json& metrics, const Json& best) {
  if (best.is_null()) return true;
  if (metrics.contains("test_accuracy"))
    return metrics.at("test_accuracy") > best.at("test_accuracy");
  return metrics.at("test_loss") < best.at("test_loss");
}

ServerState Clone(const ServerState& state) {
  const auto copy = [](const at::Tensor& tensor) {
    at::Tensor out = Uninitialized(tensor.numel(), tensor.device());
    Copy(out, tensor);
    return out;
  };
  ServerState clone;
  clone.round = state.round;
  clone.clients = state.clients;
  clone.parameters = copy(state.parameters);
  clone.buffers = copy(state.buffers);
  for (const auto& [name, tensor] : state.tensors) clone.tensors[name] = copy(tensor);
  return clone;
}

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
        data_hash_(DataHash(experiment)),
        recorder_(folder.path(), experiment.network()) {}

  RunResult Finish() {
    Restore();
    const int64_t first_round = state_.round;
    RunSummary summary;
    summary.status = "completed";
    try {
      if (fresh_) StartFresh();
      while (state_.round < experiment_.config().rounds) {
        if (stop_)
          throw InterruptedError("interrupted after round " + std::to_string(state_.round));
        OneRound();
        if (store_.WantsCheckpoint() || since_checkpoint_.Seconds() >= CheckpointInterval()) {
          Save();
        }
      }
    } catch (const InterruptedError& error) {
      summary.status = "interrupted";
      summary.reason = error.what();
    } catch (const DivergedError& error) {
      summary.status = "diverged";
      summary.reason = error.what();
    }
    store_.Abandon();
    if (started_) Save();
    SaveParameters(experiment_.network(), folder_.File("model.safetensors"), state_.parameters,
                   state_.buffers);
    Fill(summary);
    folder_.WriteSummary(summary);
    return {summary, state_, first_round};
  }

 private:
  void Restore() {
    folder_.Lock();
    const bool has_checkpoint =
        folder_.resuming() && std::filesystem::exists(folder_.CheckpointFile());
    if (has_checkpoint) {
      Checkpoint checkpoint = LoadCheckpoint(folder_.CheckpointFile(), experiment_.network(),
                                             experiment_.partition().clients(), data_hash_, store_);
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
    if (experiment_.config().output.record_updates) recorder_.Global(state_);
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
    if (!aggregate.clients.empty())
      runner_.Apply(state_, aggregate, experiment_.server_optimizer());
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
    progress_.final_metrics = MetricsJson(record);
    if (record.test && IsBetter(progress_.final_metrics, progress_.best_metrics)) {
      progress_.best_metrics = progress_.final_metrics;
    }
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
    SaveCheckpoint(folder_.CheckpointFile(), state_, store_, progress_, data_hash_);
    save_s_ = wall.Seconds();
    since_checkpoint_ = Stopwatch();
  }

  void Fill(RunSummary& summary) const {
    summary.rounds = state_.round;
    summary.final_metrics = progress_.final_metrics;
    summary.best_metrics = progress_.best_metrics;
    summary.wall_s = progress_.wall_s;
    if (progress_.train_wall_s > 0) {
      summary.train_examples_per_s =
          static_cast<double>(progress_.examples) / progress_.train_wall_s;
    }
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    summary.peak_rss_bytes = static_cast<int64_t>(usage.ru_maxrss) * 1024;
    summary.model_sha256 =
        Sha256({reinterpret_cast<const char*>(state_.parameters.const_data_ptr<float>()),
                static_cast<size_t>(state_.parameters.numel()) * sizeof(float)});
    summary.seed = experiment_.config().seed;
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
  std::string data_hash_;
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
