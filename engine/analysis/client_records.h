// What clients.csv tells of a run's clients.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace flsim {

/// Columns that the file lacks leave their part empty.
struct ClientRecords {
  std::vector<double> accuracies, losses;  ///< each evaluated client's latest, ascending
  std::vector<double> seconds;             ///< of every local training, ascending
};

/// Reads a run folder's clients.csv, with a `round` column or (one line a client) without; absent
/// where there is no such file. Throws DataError.
std::optional<ClientRecords> ReadClientRecords(const std::string& run_folder);

/// At most `most` of the values, evenly spread over their order, the first and the last among them.
std::vector<double> EvenlySpread(const std::vector<double>& values, size_t most);

}  // namespace flsim
