// Replay: the strategy's side of an experiment on updates that were recorded before.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "engine/experiment/experiment.h"
#include "engine/experiment/record.h"

namespace flsim {

/// One recorded client: a line of clients.csv, and of steps.csv where there is one.
struct RecordedClient {
  int64_t client = 0;
  int64_t examples = 0;
  std::optional<double> train_loss;
  std::optional<int64_t> steps;
};

/// Reads clients.csv or steps.csv: a header with the columns client and num_examples, and
/// train_loss and steps where they are known; further columns are passed over. Throws DataError
/// naming file and line.
std::vector<RecordedClient> ReadClientsCsv(const std::string& path);

/// Takes the recorded models of `updates` (see UpdateRecorder) in place of local training, round by
/// round and in the order of clients.csv, and writes OUT/global-0000.safetensors,
/// OUT/global-0001.safetensors ... and OUT/rounds.jsonl. What the server does with them, and what a
/// strategy computes from a client's trained model, is as in a run: a run's own config gives its
/// own models to the bit. `experiment` is not loaded yet; where the data can't be read and the
/// strategy needs none, nothing is evaluated and `note` hears of it. Returns the number of rounds.
/// Throws DataError, ConfigError, DivergedError, InterruptedError.
int64_t Replay(Experiment& experiment, const std::string& updates, const std::string& out,
               const std::vector<RecordSink*>& sinks, const std::atomic<bool>& stop,
               const std::function<void(const std::string&)>& note);

}  // namespace flsim
