#include "engine/experiment/replay.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "engine/core/files.h"
#include "engine/core/vector_ops.h"
#include "engine/experiment/update_recorder.h"
#include "engine/round/round_runner.h"

namespace flsim {
namespace {

std::vector<std::string> SplitLine(const std::string& line) {
  std::vector<std::string> cells;
  std::istringstream in(line);
  for (std::string cell; std::getline(in, cell, ',');) {
    if (!cell.empty() && cell.back() == '\r') cell.pop_back();
    cells.push_back(cell);
  }
  return cells;
}

template <class T>
bool ParseNumber(const std::string& text, T& out) {
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, out);
  return result.ec == std::errc() && result.ptr == end;
}

/// Adds the local steps that another list of the same clients has.
void TakeSteps(const std::vector<RecordedClient>& steps, std::vector<RecordedClient>& clients) {
  std::map<int64_t, std::optional<int64_t>> of;
  for (const RecordedClient& client : steps) of[client.client] = client.steps;
  for (RecordedClient& client : clients) {
    const auto known = of.find(client.client);
    if (known != of.end()) client.steps = known->second;
  }
}

/// The recorded rounds of a folder.
std::vector<std::vector<RecordedClient>> ReadRounds(const std::string& updates) {
  std::vector<std::vector<RecordedClient>> rounds;
  // clients.csv comes last: a round without it was interrupted.
  const auto csv = [&](int64_t round) { return RoundFolder(updates, round) + "/clients.csv"; };
  for (int64_t round = 1; std::filesystem::exists(csv(round)); ++round) {
    rounds.push_back(ReadClientsCsv(csv(round)));
    const std::string steps = RoundFolder(updates, round) + "/steps.csv";
    if (std::filesystem::exists(steps)) TakeSteps(ReadClientsCsv(steps), rounds.back());
  }
  if (rounds.empty()) {
    throw DataError(updates + " holds no recorded updates: there is no " + csv(1) +
                    "; record some with output.record_updates");
  }
  return rounds;
}

int64_t LargestClient(const std::vector<std::vector<RecordedClient>>& rounds) {
  int64_t largest = 0;
  for (const auto& round : rounds) {
    for (const RecordedClient& client : round) largest = std::max(largest, client.client);
  }
  return largest;
}

/// Loads the experiment's data, or where that fails and they are not needed makes do with the
/// numbers of examples that were recorded. Returns whether there are data.
bool LoadData(Experiment& experiment, const std::vector<std::vector<RecordedClient>>& rounds,
              const std::function<void(const std::string&)>& note) {
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
  std::vector<int64_t> sizes(
      static_cast<size_t>(std::max(experiment.configured_clients(), LargestClient(rounds) + 1)));
  for (const auto& round : rounds) {
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
void CheckSizes(const Experiment& experiment, const std::string& updates,
                const std::vector<std::vector<RecordedClient>>& rounds) {
  const StrategyNeeds needs = experiment.strategy().Needs();
  if (!needs.data && !needs.cohort_gradient) return;
  for (const auto& round : rounds) {
    for (const RecordedClient& client : round) {
      const int64_t size = experiment.partition().size(client.client);
      if (client.examples == size) continue;
      throw DataError(updates + ": client " + std::to_string(client.client) +
                      " was recorded with " + std::to_string(client.examples) +
                      " examples, the partition of this config " + "gives it " +
                      std::to_string(size) + "; strategy " + experiment.config().strategy.name +
                      " needs the data of the run");
    }
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

}  // namespace

std::vector<RecordedClient> ReadClientsCsv(const std::string& path) {
  std::istringstream lines(ReadFile(path));
  std::string line;
  int64_t number = 1;
  const auto fail = [&](const std::string& why) {
    throw DataError(path + " line " + std::to_string(number) + ": " + why);
  };
  std::getline(lines, line);
  std::map<std::string, size_t> columns;
  for (const std::string& name : SplitLine(line)) columns.emplace(name, columns.size());
  for (const char* name : {"client", "num_examples"}) {
    if (columns.count(name) == 0) {
      fail(std::string("needs a header with the columns client,num_examples,train_loss; '") + name +
           "' is missing");
    }
  }
  std::vector<RecordedClient> clients;
  std::set<int64_t> seen;
  while (std::getline(lines, line)) {
    ++number;
    if (line.empty() || line == "\r") continue;
    const std::vector<std::string> cells = SplitLine(line);
    /// The cell of a column, or "" where there is none.
    const auto cell = [&](const char* column) {
      const auto found = columns.find(column);
      return found == columns.end() || found->second >= cells.size() ? std::string()
                                                                     : cells[found->second];
    };
    RecordedClient recorded;
    if (!ParseNumber(cell("client"), recorded.client) || recorded.client < 0 ||
        recorded.client > 0xffffffff) {
      fail("client must be a whole number, at least 0; got '" + cell("client") + "'");
    }
    if (!seen.insert(recorded.client).second) {
      fail("client " + std::to_string(recorded.client) + " stands in an earlier line already");
    }
    if (!ParseNumber(cell("num_examples"), recorded.examples) || recorded.examples < 1) {
      fail("num_examples must be a whole number, at least 1; got '" + cell("num_examples") + "'");
    }
    double loss = 0;
    if (!cell("train_loss").empty()) {
      if (!ParseNumber(cell("train_loss"), loss)) {
        fail("train_loss must be a number; got '" + cell("train_loss") + "'");
      }
      recorded.train_loss = loss;
    }
    int64_t steps = 0;
    if (!cell("steps").empty()) {
      if (!ParseNumber(cell("steps"), steps) || steps < 1) {
        fail("steps must be a whole number, at least 1; got '" + cell("steps") + "'");
      }
      recorded.steps = steps;
    }
    clients.push_back(recorded);
  }
  return clients;
}

int64_t Replay(Experiment& experiment, const std::string& updates, const std::string& out,
               const std::vector<RecordSink*>& sinks, const std::atomic<bool>& stop,
               const std::function<void(const std::string&)>& note) {
  const auto rounds = ReadRounds(updates);
  const bool has_data = LoadData(experiment, rounds, note);
  const int64_t population = experiment.partition().clients();
  if (LargestClient(rounds) >= population) {
    throw DataError(updates + " has updates of client " + std::to_string(LargestClient(rounds)) +
                    ", but the partition of this config has clients 0 to " +
                    std::to_string(population - 1) + " only");
  }
  CheckSizes(experiment, updates, rounds);
  const ExperimentConfig& config = experiment.config();
  const TrainingSetup setup = experiment.Setup(stop);
  WorkerPool pool(experiment.workers());
  RoundRunner runner(setup, experiment.aggregator(), pool, experiment.worker_devices());
  std::optional<Evaluator> evaluator;
  if (has_data) {
    evaluator.emplace(setup, pool, runner,
                      EvaluatorOptions{config.evaluation.batch_size, nullptr, 0});
  }
  std::error_code error;
  std::filesystem::create_directories(out, error);
  if (error) throw DataError("can't make the folder " + out + ": " + error.message());
  ClientStore store(setup.ClientState(), config.runtime.client_state_mb << 20,
                    out + "/clients.bin");
  const UpdateRecorder recorder(out, experiment.network());
  ServerState state = experiment.InitialState(GlobalFile(updates, 0));
  std::ofstream lines(out + "/rounds.jsonl", std::ios::trunc);
  const auto report = [&](RoundRecord record) {
    const bool due = config.evaluation.Due(record.round, static_cast<int64_t>(rounds.size()));
    if (evaluator && due) record.test = evaluator->Test(state);
    recorder.Global(state);
    lines << ToJson(record).dump() << std::endl;
    if (!lines) throw DataError("can't write " + out + "/rounds.jsonl");
    for (RecordSink* sink : sinks) sink->Round(record);
  };
  report({});
  for (const std::vector<RecordedClient>& recorded : rounds) {
    if (stop) throw InterruptedError("interrupted after round " + std::to_string(state.round));
    RoundRecord record;
    record.round = state.round + 1;
    std::vector<CohortMember> cohort;
    std::map<int64_t, RecordedClient> by_client;
    for (const RecordedClient& client : recorded) {
      cohort.push_back({client.client, client.examples});
      by_client[client.client] = client;
      record.cohort.push_back(client.client);
    }
    RoundHooks hooks;
    hooks.train = [&](ClientTask& task) {
      TakeRecorded(experiment.network(), ClientFile(updates, task.round, task.client),
                   by_client.at(task.client), config.training, task);
    };
    record.skipped = WhySkipped(experiment.aggregator(), cohort.size());
    if (!record.skipped.empty()) record.cohort.clear();
    store.Begin(record.cohort);
    if (record.skipped.empty()) {
      Aggregate aggregate = runner.Run(state, cohort, store, hooks);
      Summarize(aggregate, record);
      runner.Apply(state, aggregate, experiment.server_optimizer());
    }
    store.Commit();
    state.round = record.round;
    std::sort(record.cohort.begin(), record.cohort.end());
    report(record);
  }
  std::filesystem::remove(out + "/clients.bin", error);
  return state.round;
}

}  // namespace flsim
