// A recording: the updates that a run has left (see UpdateRecorder), or another tool in the same
// layout.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/experiment/experiment.h"

namespace flsim {

/// One recorded client: a line of clients.csv, and of steps.csv where there is one.
struct RecordedClient {
  int64_t client = 0;
  int64_t examples = 0;
  std::optional<double> train_loss;
  std::optional<int64_t> steps;
};

struct Recording {
  std::string folder;
  std::vector<std::vector<RecordedClient>> rounds;  ///< in the order of clients.csv
  /// Of FOLDER/recording.json; null where another tool has written none.
  Json config;  ///< resolved
  std::string dataset_sha256, partition_sha256;

  int64_t LargestClient() const;
};

/// Reads clients.csv or steps.csv: a header with the columns client and num_examples, and
/// train_loss and steps where they are known; further columns are passed over. Throws DataError
/// naming file and line.
std::vector<RecordedClient> ReadClientsCsv(const std::string& path);

/// Reads all but the models, up to the first round that is not whole. Throws DataError.
Recording ReadRecording(const std::string& folder);

/// Writes FOLDER/recording.json: the run's config and the hashes of its data set and partition.
void WriteOrigin(const std::string& folder, const Experiment& experiment);

/// Throws ConfigError with every key that differs, if the data of a loaded experiment, as a model
/// sees them, are not those of the recording's own run, which is known.
void CheckOrigin(const Recording& recording, const Experiment& experiment);

}  // namespace flsim
