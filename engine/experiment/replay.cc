#include "engine/experiment/replay.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include "engine/core/vector_ops.h"
#include "engine/experiment/update_recorder.h"
#include "engine/round/round_runner.h"

namespace flsim {
namespace {

using Note = std::function<void(const std::string&)>;

/// Loads the experiment's data, or where that fails and they are not needed makes do with the
/// numbers of examples that were recorded. Returns whether there are data.
bool LoadData(Experiment& experiment, const Recording& recording, const Note& note) {
  try {
    experiment.Load();
    return true;
  } catch (const DataError& error) {
    if (experiment.strategy().Needs().data || experiment.strategy().Needs().cohort_gradient ||
        experiment.aggregator().RootExamples() > 0) {
      throw;
    }
    note(std::string("nothing is evaluated: ") + error.what());
  }
  std::vector<int64_t> sizes(static_cast<size_t>(
      std::max(experiment.configured_clients(), recording.LargestClient() + 1)));
  for (const auto& round : recording.rounds) {
    for (const RecordedClient& client : round) {
      sizes[static_cast<size_t>(client.client)] = client.examples;
    }
  }
  if (experiment.configured_clients() < 0 || std::count(sizes.begin(), sizes.end(), 0) > 0) {
    note(
        "clients that were never recorded count as without examples; strategies that look at the "
        "whole population (scaffold, feddyn, feddc, agnostic) may differ from the run");
  }
  experiment.AssumeSizes(sizes);
  return false;
}

/// A strategy that looks at the clients' data finds as many examples as were recorded, or the data
/// are others.
void CheckSizes(const Experiment& experiment, const Recording& recording) {
  const StrategyNeeds needs = experiment.strategy().Needs();
  if (!needs.data && !needs.cohort_gradient) return;
  for (const auto& round : recording.rounds) {
    for (const RecordedClient& client : round) {
      const int64_t size = experiment.partition().size(client.client);
      if (client.examples == size) continue;
      throw DataError(recording.folder + ": client " + std::to_string(client.client) +
                      " was recorded with " + std::to_string(client.examples) +
                      " examples, the partition of this config gives it " + std::to_string(size) +
                      "; strategy " + experiment.config().strategy.name +
                      " needs the data of the run");
    }
  }
}

/// Refuses data that are not the recording's, as far as can be known.
void CheckData(const Experiment& experiment, const Recording& recording, bool has_data,
               const Note& note) {
  if (has_data && !recording.config.is_null()) CheckOrigin(recording, experiment);
  if (has_data && recording.config.is_null()) {
    note("the data could not be checked: " + recording.folder +
         " has no recording.json, which says on which it was recorded");
  }
  const int64_t population = experiment.partition().clients(), largest = recording.LargestClient();
  if (largest >= population) {
    throw DataError(recording.folder + " has updates of client " + std::to_string(largest) +
                    ", but the partition of this config has clients 0 to " +
                    std::to_string(population - 1) + " only");
  }
  CheckSizes(experiment, recording);
}

/// Says what of the config plays no part.
void TellWhatIsIgnored(const Experiment& experiment, const Recording& recording, const Note& note) {
  const std::string& name = experiment.config().strategy.name;
  note(
      "cohorts and clients' models are the recorded ones: rounds, sampler and evaluation.clients "
      "play no part, and of training only what the server's side of " +
      name + " computes with");
  const Json& own = experiment.config().strategy.resolved;
  if (recording.config.is_null()) {
    note("of strategy " + name +
         " only the server's side is replayed; how the clients were "
         "trained is not known");
  } else if (const Json recorded = recording.config.value("strategy", Json()); recorded != own) {
    note("of strategy " + Shown(own) +
         " only the server's side is replayed; the clients were "
         "trained under " +
         Shown(recorded));
  }
}

/// Puts the recorded model of one client in place of training.
void TakeRecorded(const Network& network, const std::string& file, const RecordedClient& recorded,
                  const TrainingOptions& options, ClientTask& task) {
  at::Tensor parameters, buffers;
  LoadParameters(network, file, parameters, buffers);
  Copy(task.parameters, parameters);
  if (buffers.numel() > 0) Copy(task.buffers, buffers);
  task.steps = recorded.steps.value_or(options.StepsOf(task.examples));
  const int64_t batches = options.BatchesOf(task.examples);
  task.examples_seen =
      task.steps / batches * task.examples + task.steps % batches * options.BatchOf(task.examples);
  task.loss_sum = recorded.train_loss.value_or(0) * static_cast<double>(task.examples_seen);
}

/// One replay in progress; the folder is begun.
class Replaying {
 public:
  Replaying(const Experiment& experiment, const Recording& recording, RunFolder& folder,
            const std::vector<RecordSink*>& sinks, const std::atomic<bool>& stop, bool has_data)
      : experiment_(experiment),
        recording_(recording),
        folder_(folder),
        sinks_(sinks),
        stop_(stop),
        pool_(experiment.workers()),
        setup_(experiment.Setup(stop)),
        runner_(setup_, experiment.aggregator(), pool_, experiment.worker_devices()),
        store_(setup_.ClientState(), experiment.config().runtime.client_state_mb << 20,
               folder.ClientStateFile()),
        recorder_(folder.path(), experiment.network()),
        state_(experiment.InitialState(GlobalFile(recording.folder, 0))) {
    if (has_data) {
      evaluator_.emplace(setup_, pool_, runner_,
                         EvaluatorOptions{experiment.config().evaluation.batch_size, nullptr, 0});
    }
  }

  RunResult Finish() {
    const Stopwatch wall;
    RunSummary summary = EndOf([this] {
      Report({});
      for (const std::vector<RecordedClient>& clients : recording_.rounds) OneRound(clients);
    });
    SaveParameters(experiment_.network(), folder_.File("model.safetensors"), state_.parameters,
                   state_.buffers);
    progress_.wall_s = wall.Seconds();
    Describe(progress_, state_, experiment_.config().seed, summary);
    folder_.WriteSummary(summary);
    return {summary, state_, 0};
  }

 private:
  void OneRound(const std::vector<RecordedClient>& clients) {
    if (stop_) throw InterruptedError("interrupted after round " + std::to_string(state_.round));
    RoundRecord record;
    record.round = state_.round + 1;
    std::vector<CohortMember> cohort;
    std::map<int64_t, RecordedClient> by_client;
    for (const RecordedClient& client : clients) {
      cohort.push_back({client.client, client.examples});
      by_client[client.client] = client;
      record.cohort.push_back(client.client);
    }
    RoundHooks hooks;
    hooks.train = [&](ClientTask& task) {
      TakeRecorded(experiment_.network(), ClientFile(recording_.folder, task.round, task.client),
                   by_client.at(task.client), experiment_.config().training, task);
    };
    record.skipped = WhySkipped(experiment_.aggregator(), cohort.size());
    if (!record.skipped.empty()) record.cohort.clear();
    store_.Begin(record.cohort);
    if (record.skipped.empty()) {
      Aggregate aggregate = runner_.Run(state_, cohort, store_, hooks);
      Summarize(aggregate, record);
      const auto has_loss = [](const RecordedClient& client) {
        return client.train_loss.has_value();
      };
      if (!std::all_of(clients.begin(), clients.end(), has_loss)) record.train_loss.reset();
      // A step that fails leaves the last whole round.
      ServerState next = Clone(state_);
      record.update_norm = runner_.Apply(next, aggregate, experiment_.server_optimizer());
      state_ = std::move(next);
    }
    store_.Commit();
    state_.round = record.round;
    std::sort(record.cohort.begin(), record.cohort.end());
    Report(record);
  }

  void Report(RoundRecord record) {
    const auto rounds = static_cast<int64_t>(recording_.rounds.size());
    const bool due = experiment_.config().evaluation.Due(record.round, rounds);
    if (evaluator_ && due) record.test = evaluator_->Test(state_);
    const std::string diverged = DropDivergedTest(record);
    recorder_.Global(state_);
    progress_.Take(record, /*personal=*/false);
    folder_.Round(record);
    for (RecordSink* sink : sinks_) sink->Round(record);
    if (!diverged.empty()) throw DivergedError(diverged);
  }

  const Experiment& experiment_;
  const Recording& recording_;
  RunFolder& folder_;
  const std::vector<RecordSink*>& sinks_;
  const std::atomic<bool>& stop_;
  WorkerPool pool_;
  const TrainingSetup setup_;
  RoundRunner runner_;
  ClientStore store_;
  const UpdateRecorder recorder_;
  ServerState state_;
  std::optional<Evaluator> evaluator_;
  RunProgress progress_;
};

}  // namespace

RunResult Replay(Experiment& experiment, const Recording& recording, RunFolder& folder,
                 const std::vector<RecordSink*>& sinks, const std::atomic<bool>& stop,
                 const Note& note) {
  std::error_code error;
  if (std::filesystem::equivalent(folder.path(), recording.folder, error)) {
    throw ConfigError("--out must not be the folder of --updates, " + recording.folder +
                      ": the recording would be overwritten");
  }
  const bool has_data = LoadData(experiment, recording, note);
  CheckData(experiment, recording, has_data, note);
  TellWhatIsIgnored(experiment, recording, note);
  folder.Lock();
  folder.Begin(-1);
  const RunResult result = Replaying(experiment, recording, folder, sinks, stop, has_data).Finish();
  // It held what did not fit into memory; there is nothing to go on from.
  std::filesystem::remove_all(folder.File("checkpoint"), error);
  return result;
}

}  // namespace flsim
