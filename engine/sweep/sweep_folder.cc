#include "engine/sweep/sweep_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <regex>

#include "engine/analysis/csv.h"
#include "engine/core/error.h"
#include "engine/core/files.h"
#include "engine/core/json_paths.h"
#include "engine/experiment/config.h"

namespace flsim {
namespace fs = std::filesystem;
namespace {

/// A JSON object in a file; null where there is none, or only a part of one.
Json ObjectIn(const std::string& file) {
  if (!Exists(file)) return {};
  Json json = Json::parse(ReadFile(file), nullptr, /*allow_exceptions=*/false);
  return json.is_object() ? json : Json();
}

std::string TextAt(const Json& object, const char* key, const char* absent) {
  const Json value = object.value(key, Json());
  return value.is_string() ? value.get<std::string>() : absent;
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
  for (const int lock : locks_) close(lock);
}

void SweepFolder::Lock(const std::string& name, int operation) {
  const int lock = open((path_ + "/" + name).c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644);
  if (lock < 0) throw ConfigError("can't write to " + path_ + "; choose another with --out");
  locks_.push_back(lock);
  if (flock(lock, operation | LOCK_NB) != 0)
    throw ConfigError(path_ + " is in use by another flsim process");
}

void SweepFolder::Begin(const Shard& shard) {
  try {
    fs::create_directories(path_);
    Lock(".lock", shard.is_whole() ? LOCK_EX : LOCK_SH);
    if (!shard.is_whole()) {
      Lock(".lock-" + std::to_string(shard.index) + "-of-" + std::to_string(shard.of), LOCK_EX);
    }
    if (replace_) ClearOldSweep();
    replace_ = false;
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
  for (const char* name : {"sweep.json", "halving.json", "trials.csv", "leaderboard.csv"})
    fs::remove(path_ + "/" + name);
}

TrialState SweepFolder::State(const Trial& trial) const {
  const std::string folder = TrialFolder(trial);
  TrialState state;
  if (replace_) return state;
  state.summary = ObjectIn(folder + "/summary.json");
  if (state.summary.is_object()) {
    state.status = TextAt(state.summary, "status", "unfinished");
    if (state.status == "diverged") state.reason = TextAt(state.summary, "reason", "");
  } else if (Exists(folder + "/rounds.jsonl")) {
    state.status = "unfinished";
  }
  const Json note = ObjectIn(folder + "/trial.json");
  if (note.is_object() && !state.done()) {
    state.status = TextAt(note, "status", "failed");
    state.reason = TextAt(note, "reason", "");
  }
  return state;
}

std::optional<RecordedRun> SweepFolder::Recorded(const Trial& trial) const {
  if (State(trial).status == "waiting") return {};
  try {
    return ReadRun(TrialFolder(trial));
  } catch (const DataError&) {
    return {};  // it failed before it began
  }
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

std::vector<Rung> SweepFolder::Rungs() const {
  const std::string file = path_ + "/halving.json";
  std::vector<Rung> rungs;
  if (replace_ || !Exists(file)) return rungs;
  try {
    for (const Json& rung : Json::parse(ReadFile(file)))
      rungs.push_back({rung.at("round"), rung.at("compared"), rung.at("kept")});
  } catch (const Json::exception&) {
    throw DataError(file + " is damaged; remove it, and points are compared again");
  }
  return rungs;
}

void SweepFolder::WriteRungs(const std::vector<Rung>& rungs) const {
  Json json = Json::array();
  for (const Rung& rung : rungs)
    json.push_back({{"round", rung.round}, {"compared", rung.compared}, {"kept", rung.kept}});
  WriteFileAtomically(path_ + "/halving.json", json.dump(2) + "\n");
}

void SweepFolder::WriteTrials() const {
  std::vector<TrialState> states;
  for (const Trial& trial : sweep_.trials) states.push_back(State(trial));
  const std::vector<std::string> metrics = MetricsOf(states);
  std::vector<std::string> header = {"trial", "point"};
  header.insert(header.end(), sweep_.axes.begin(), sweep_.axes.end());
  for (const char* name : {"seed", "status", "reason", "rounds_done"}) header.push_back(name);
  header.insert(header.end(), metrics.begin(), metrics.end());
  header.push_back("best_round");
  for (const std::string& metric : metrics) header.push_back("best_" + metric);
  for (const char* name : {"wall_s", "model_sha256", "folder"}) header.push_back(name);
  std::string csv = CsvLine(header);
  for (size_t i = 0; i < states.size(); ++i) {
    const Trial& trial = sweep_.trials[i];
    const TrialState& state = states[i];
    std::vector<std::string> fields = {std::to_string(trial.number), std::to_string(trial.point)};
    for (const std::string& axis : sweep_.axes) {
      const auto found = std::find_if(trial.settings.rbegin(), trial.settings.rend(),
                                      [&](const auto& setting) { return setting.first == axis; });
      fields.push_back(found == trial.settings.rend() ? "" : Text(found->second));
    }
    const auto add = [&](const std::string& path) {
      const Json* value = FindAtPath(state.summary, path);
      fields.push_back(value == nullptr ? "" : Text(*value));
    };
    for (const std::string& known : {std::to_string(trial.seed), state.status, state.reason})
      fields.push_back(known);
    add("rounds");
    for (const std::string& metric : metrics) add("final." + metric);
    add("best.round");
    for (const std::string& metric : metrics) add("best." + metric);
    add("wall_s");
    add("model_sha256");
    fields.push_back(trial.Folder());
    csv += CsvLine(fields);
  }
  WriteFileAtomically(path_ + "/trials.csv", csv);
}

}  // namespace flsim
