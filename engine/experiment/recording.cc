#include "engine/experiment/recording.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <set>
#include <sstream>

#include "engine/core/files.h"
#include "engine/experiment/update_recorder.h"

namespace flsim {
namespace {

std::string OriginFile(const std::string& folder) { return folder + "/recording.json"; }

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

/// Takes recording.json, where there is one.
void ReadOrigin(Recording& recording) {
  const std::string file = OriginFile(recording.folder);
  if (!std::filesystem::exists(file)) return;
  try {
    const Json origin = ReadJsonFile(file);
    recording.dataset_sha256 = origin.at("dataset_sha256").get<std::string>();
    recording.partition_sha256 = origin.at("partition_sha256").get<std::string>();
    recording.config = origin.at("config");
    if (!recording.config.is_object()) throw DataError("config must be an object");
  } catch (const std::exception& error) {
    throw DataError(file + " is not as a run writes it: " + error.what());
  }
}

bool StartsWith(const std::string& text, const std::string& start) {
  return text.rfind(start, 0) == 0;
}

}  // namespace

int64_t Recording::LargestClient() const {
  int64_t largest = 0;
  for (const auto& round : rounds) {
    for (const RecordedClient& client : round) largest = std::max(largest, client.client);
  }
  return largest;
}

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
      fail("client must be a whole number from 0 to 4294967295; got '" + cell("client") + "'");
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

Recording ReadRecording(const std::string& folder) {
  Recording recording;
  recording.folder = folder;
  // clients.csv comes last: a round without it was interrupted.
  const auto csv = [&](int64_t round) { return RoundFolder(folder, round) + "/clients.csv"; };
  for (int64_t round = 1; std::filesystem::exists(csv(round)); ++round) {
    recording.rounds.push_back(ReadClientsCsv(csv(round)));
    const std::string steps = RoundFolder(folder, round) + "/steps.csv";
    if (std::filesystem::exists(steps)) TakeSteps(ReadClientsCsv(steps), recording.rounds.back());
  }
  if (recording.rounds.empty()) {
    throw DataError(folder + " holds no recorded updates: there is no " + csv(1) +
                    "; record some with output.record_updates");
  }
  ReadOrigin(recording);
  return recording;
}

void WriteOrigin(const std::string& folder, const Experiment& experiment) {
  const Json origin = {{"dataset_sha256", experiment.dataset().Hash()},
                       {"partition_sha256", experiment.PartitionHash()},
                       {"config", experiment.resolved()}};
  WriteFileAtomically(OriginFile(folder), origin.dump(2) + "\n");
}

void CheckOrigin(const Recording& recording, const Experiment& experiment) {
  const std::string dataset = experiment.dataset().Hash();
  const std::string partition = experiment.PartitionHash();
  const bool same = recording.dataset_sha256 == dataset && recording.partition_sha256 == partition;
  std::string changes;
  for (const std::string& change : ConfigDifferences(recording.config, experiment.resolved())) {
    const bool is_place = StartsWith(change, "dataset.path: ");
    // What the hash of a data set does not tell: how its examples are shown to a model.
    bool counts = StartsWith(change, "dataset.") && !is_place;
    // Other keys only where they come to other data: a partition may be read from a file that holds
    // the same.
    for (const char* key : {"seed: ", "partition.", "evaluation.held_out: "}) {
      counts = counts || (!same && StartsWith(change, key));
    }
    counts = counts || (is_place && recording.dataset_sha256 != dataset);
    if (counts) changes += "\n  " + change;
  }
  if (same && changes.empty()) return;
  const auto add = [&](const char* what, const std::string& was, const std::string& is) {
    if (changes.empty() && was != is)
      changes += std::string("\n  ") + what + ": its SHA-256 was " + was + ", is " + is;
  };
  add("dataset", recording.dataset_sha256, dataset);
  add("partition", recording.partition_sha256, partition);
  throw ConfigError("can't replay " + recording.folder +
                    ": it was recorded on other data than those of this config" + changes);
}

}  // namespace flsim
