#include "engine/sweep/sweep_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <regex>

#include "engine/core/error.h"
#include "engine/core/files.h"
#include "engine/experiment/config.h"

namespace flsim {
namespace fs = std::filesystem;
namespace {

bool Exists(const std::string& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

/// A JSON object in a file; null where there is none, or only a part of one.
Json ObjectIn(const std::string& file) {
  if (!Exists(file)) return {};
  Json json = Json::parse(ReadFile(file), nullptr, /*allow_exceptions=*/false);
  return json.is_object() ? json : Json();
}

std::string Text(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.is_null() ? "" : value.dump();
}

/// The metrics that any of the trials ended with, in the order of summary.json.
std::vector<std::string> MetricsOf(const std::vector<TrialState>& states) {
  std::vector<std::string> metrics;
  for (const TrialState& state : states) {
    const Json last = state.summary.is_object() ? state.summary.value("final", Json()) : Json();
    if (!last.is_object()) continue;
    for (const auto& item : last.items()) {
      const bool known = std::find(metrics.begin(), metrics.end(), item.key()) != metrics.end();
      if (!known && item.key() != "round") metrics.push_back(item.key());
    }
  }
  return metrics;
}

}  // namespace

Shard ParseShard(const std::string& text) {
  long long index = 0, of = 0;
  char rest = 0;
  if (std::sscanf(text.c_str(), "%lld/%lld%c", &index, &of, &rest) != 2 || index < 1 || index > of)
    throw ConfigError("--shard: expected I/N with 1 <= I <= N, such as 3/16, got " + text);
  return {index, of};
}

std::string CsvField(const std::string& text) {
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

SweepFolder::SweepFolder(std::string path, const Sweep& sweep, bool replace)
    : path_(std::move(path)), sweep_(sweep), replace_(replace) {
  if (!Exists(path_) || replace_) return;
  std::error_code ignored;
  if (!fs::is_directory(path_, ignored))
    throw ConfigError(path_ + " is a file; --out must name a folder for the sweep");
  if (Exists(path_ + "/rounds.jsonl"))
    throw ConfigError(path_ + " holds a run; choose another folder with --out");
  const Json before = ObjectIn(path_ + "/sweep.json");
  if (before.is_null()) return;
  std::string changes;
  for (const std::string& difference : ConfigDifferences(before, sweep_.definition))
    changes += "\n  " + difference;
  if (!changes.empty()) {
    throw ConfigError(path_ +
                      " holds another sweep; add --force to replace it, or choose another folder "
                      "with --out" +
                      changes);
  }
}

SweepFolder::~SweepFolder() {
  if (lock_ >= 0) close(lock_);
}

void SweepFolder::Begin(const Shard& shard) {
  try {
    fs::create_directories(path_);
    std::string name = path_ + "/.lock";
    if (!shard.is_whole())
      name += "-" + std::to_string(shard.index) + "-of-" + std::to_string(shard.of);
    lock_ = open(name.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644);
    if (lock_ < 0) throw ConfigError("can't write to " + path_ + "; choose another with --out");
    if (flock(lock_, LOCK_EX | LOCK_NB) != 0)
      throw ConfigError(path_ + " is in use by another flsim process");
    if (replace_) ClearOldSweep();
  } catch (const fs::filesystem_error& error) {
    throw ConfigError("can't write to the sweep's folder " + path_ + ": " + error.code().message() +
                      "; choose another with --out");
  }
  // Shards that start together write the same bytes.
  WriteFileAtomically(path_ + "/sweep.json", sweep_.definition.dump(2) + "\n");
}

void SweepFolder::ClearOldSweep() const {
  static const std::regex trial("trial-[0-9]{4,}");
  for (const auto& entry : fs::directory_iterator(path_)) {
    if (std::regex_match(entry.path().filename().string(), trial)) fs::remove_all(entry.path());
  }
  for (const char* name : {"sweep.json", "trials.csv", "leaderboard.csv"})
    fs::remove(path_ + "/" + name);
}

TrialState SweepFolder::State(const Trial& trial) const {
  const std::string folder = TrialFolder(trial);
  TrialState state;
  state.summary = ObjectIn(folder + "/summary.json");
  if (state.summary.is_object()) {
    state.status = state.summary.value("status", "unfinished");
    if (state.status == "diverged") state.reason = state.summary.value("reason", "");
  } else if (Exists(folder + "/rounds.jsonl")) {
    state.status = "unfinished";
  }
  const Json note = ObjectIn(folder + "/trial.json");
  if (note.is_object() && !state.done()) {
    state.status = note.value("status", "failed");
    state.reason = note.value("reason", "");
  }
  return state;
}

void SweepFolder::Note(const Trial& trial, const std::string& status,
                       const std::string& reason) const {
  std::error_code ignored;
  fs::create_directories(TrialFolder(trial), ignored);
  WriteFileAtomically(TrialFolder(trial) + "/trial.json",
                      Json{{"status", status}, {"reason", reason}}.dump(2) + "\n");
}

void SweepFolder::ClearNote(const Trial& trial) const {
  std::error_code ignored;
  fs::remove(TrialFolder(trial) + "/trial.json", ignored);
}

void SweepFolder::WriteTrials() const {
  std::vector<TrialState> states;
  for (const Trial& trial : sweep_.trials) states.push_back(State(trial));
  const std::vector<std::string> metrics = MetricsOf(states);
  std::string csv = "trial,point";
  for (const std::string& axis : sweep_.axes) csv += "," + CsvField(axis);
  csv += ",seed,status,reason,rounds";
  for (const std::string& metric : metrics) csv += "," + metric;
  csv += ",best_round";
  for (const std::string& metric : metrics) csv += ",best_" + metric;
  csv += ",wall_s,model_sha256,folder\n";
  for (size_t i = 0; i < states.size(); ++i) {
    const Trial& trial = sweep_.trials[i];
    const TrialState& state = states[i];
    const Json summary = state.summary.is_object() ? state.summary : Json::object();
    const auto field = [&](const char* part, const std::string& key) {
      const Json object = summary.value(part, Json());
      return "," + CsvField(object.is_object() ? Text(object.value(key, Json())) : "");
    };
    csv += std::to_string(trial.number) + "," + std::to_string(trial.point);
    for (const std::string& axis : sweep_.axes) {
      const auto found = std::find_if(trial.settings.rbegin(), trial.settings.rend(),
                                      [&](const auto& setting) { return setting.first == axis; });
      csv += "," + (found == trial.settings.rend() ? "" : CsvField(Text(found->second)));
    }
    csv += "," + std::to_string(trial.seed) + "," + state.status + "," + CsvField(state.reason) +
           "," + Text(summary.value("rounds", Json()));
    for (const std::string& metric : metrics) csv += field("final", metric);
    csv += field("best", "round");
    for (const std::string& metric : metrics) csv += field("best", metric);
    csv += "," + Text(summary.value("wall_s", Json())) + "," +
           Text(summary.value("model_sha256", Json())) + "," + trial.Folder() + "\n";
  }
  WriteFileAtomically(path_ + "/trials.csv", csv);
}

}  // namespace flsim
