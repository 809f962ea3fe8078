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
        aggregator_(experiment.MakeAggregator()),
        pool_(experiment.workers()),
        setup_{experiment.config().training, &experiment.dataset(),
               &experiment.partition(),      &experiment.network(),
               &experiment.strategy(),       experiment.backend(),
               experiment.config().seed,     &stop},
        runner_(setup_, *aggregator_, pool_, experiment.worker_devices()),
        evaluator_(setup_, pool_, runner_, experiment.config().evaluation.batch_size),
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
        if (since_checkpoint_.Seconds() >= experiment_.config().output.checkpoint_every_s) Save();
      }
    } catch (const InterruptedError& error) {
      summary.status = "interrupted";
      summary.reason = error.what();
    } catch (const DivergedError& error) {
      summary.status = "diverged";
      summary.reason = error.what();
    }
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
      Checkpoint checkpoint =
          LoadCheckpoint(folder_.CheckpointFile(), experiment_.network(), data_hash_);
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
    record.cohort =
        experiment_.sampler().Sample(experiment_.partition().clients(),
                                     Rng(config.seed, {"sample", static_cast<uint64_t>(round)}));
    std::function<void(const ClientTask&, const Update&)> on_client;
    if (config.output.record_updates) {
      recorder_.StartRound(round);
      on_client = [this](const ClientTask& task, const Update& update) {
        recorder_.Client(task, update);
      };
    }
    const auto on_progress = [&](int64_t clients_done) {
      for (RecordSink* sink : sinks_)
        sink->Progress(round, clients_done, static_cast<int64_t>(record.cohort.size()));
    };
    const RoundResult result = runner_.Run(state_, record.cohort, on_client, on_progress);
    // What fails from here on leaves the last whole round.
    ServerState before = Clone(state_);
    const RunProgress progress_before = progress_;
    try {
      Advance(result, wall, record);
    } catch (...) {
      state_ = std::move(before);
      progress_ = progress_before;
      throw;
    }
    if (config.output.record_updates) recorder_.FinishRound(round, result.clients);
    Report(record);
  }

  /// The server's half of a round, and its evaluation.
  void Advance(const RoundResult& result, const Stopwatch& wall, RoundRecord& record) {
    const ExperimentConfig& config = experiment_.config();
    experiment_.strategy().UpdateServer(state_, result.aggregate, experiment_.server_optimizer());
    if (state_.buffers.numel() > 0) Copy(state_.buffers, result.aggregate.buffers);
    state_.round = record.round;
    record.wall_s = wall.Seconds();
    Summarize(result, record);
    progress_.wall_s += record.wall_s;
    progress_.train_wall_s += record.wall_s;
    progress_.examples += record.examples;
    if (!std::isfinite(SquaredNorm(state_.parameters)))
      Diverged(record.round, "the global model is");
    const bool last = record.round == config.rounds;
    if (last || (config.evaluation.every > 0 && record.round % config.evaluation.every == 0))
      Evaluate(record, record.cohort);
  }

  [[noreturn]] static void Diverged(int64_t round, const std::string& what) {
    throw DivergedError("round " + std::to_string(round) + ": " + what +
                        " not finite; a smaller training.lr or server_optimizer.lr may help");
  }

  void Summarize(const RoundResult& result, RoundRecord& record) const {
    double loss_sum = 0;
    for (const ClientResult& client : result.clients) {
      record.examples += client.examples_seen;
      record.steps += client.steps;
      loss_sum += client.loss_sum;
    }
    record.train_loss = loss_sum / static_cast<double>(record.examples);
    record.update_norm = std::sqrt(result.aggregate.squared_norm);
    const int64_t model_bytes =
        (state_.parameters.numel() + state_.buffers.numel()) * static_cast<int64_t>(sizeof(float));
    record.bytes_down = record.bytes_up = model_bytes * static_cast<int64_t>(result.clients.size());
  }

  void Evaluate(RoundRecord& record, const std::vector<int64_t>& cohort) {
    const Stopwatch wall;
    record.test = evaluator_.Test(state_);
    if (record.test && !std::isfinite(record.test->loss))
      Diverged(record.round, "the test loss is");
    const std::string& whose = experiment_.config().evaluation.clients;
    if (whose == "cohort" && !cohort.empty()) record.clients = evaluator_.Clients(state_, cohort);
    if (whose == "all") {
      std::vector<int64_t> all(static_cast<size_t>(experiment_.partition().clients()));
      std::iota(all.begin(), all.end(), 0);
      record.clients = evaluator_.Clients(state_, all);
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
    for (RecordSink* sink : sinks_) sink->Round(record);
  }

  void Save() {
    folder_.SyncRounds();
    SaveCheckpoint(folder_.CheckpointFile(), state_, progress_, data_hash_);
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
  std::unique_ptr<Aggregator> aggregator_;
  WorkerPool pool_;
  TrainingSetup setup_;
  RoundRunner runner_;
  Evaluator evaluator_;
  std::string data_hash_;
  UpdateRecorder recorder_;
  ServerState state_;
  RunProgress progress_;
  Stopwatch since_checkpoint_;
  bool fresh_ = true;     ///< no checkpoint to go on from
  bool started_ = false;  ///< round 0 is recorded
};

}  // namespace

RunResult Run(const Experiment& experiment, RunFolder& folder,
              const std::vector<RecordSink*>& sinks, const std::atomic<bool>& stop) {
  return Running(experiment, folder, sinks, stop).Finish();
}

}  // namespace flsim
