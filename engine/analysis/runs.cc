#include "engine/analysis/runs.h"

#include <glob.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "engine/core/error.h"
#include "engine/core/files.h"
#include "engine/core/json_paths.h"
#include "engine/core/options.h"
#include "engine/core/safetensors.h"

namespace flsim {
namespace fs = std::filesystem;
namespace {

bool IsRunFolder(const fs::path& folder) {
  return Exists(folder / "config.json") && Exists(folder / "rounds.jsonl");
}

/// A JSON object that a program wrote; `where` is the file, and line, for the error.
Json ParsedObject(const std::string& text, const std::string& where) {
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) throw DataError(where + " is not a JSON object; the file is damaged");
  return json;
}

/// Refuses a value of another type than flsim writes under the key.
void CheckType(const Json& json, const char* key, Json::value_t type, const std::string& file) {
  const auto found = json.find(key);
  if (found == json.end() || found->type() == type) return;
  throw DataError(file + " has " + key + " " + found->dump() + ", expected " +
                  (type == Json::value_t::string ? "a string" : "a whole number") +
                  "; the file is damaged");
}

std::vector<Json> ReadRounds(const std::string& file) {
  const std::string text = ReadFile(file);
  std::vector<Json> rounds;
  size_t begin = 0;
  for (size_t end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
    const std::string where = file + ", line " + std::to_string(rounds.size() + 1) + ",";
    Json round = ParsedObject(text.substr(begin, end - begin), where);
    const auto number = round.find("round");
    if (number == round.end() || !number->is_number_integer())
      throw DataError(where + " has no round; the file is damaged");
    rounds.push_back(std::move(round));
  }
  return rounds;
}

/// The run folders at a path: itself, or the trials of a sweep that have begun, in their order.
std::vector<std::string> RunFoldersAt(const std::string& path) {
  if (IsRunFolder(path)) return {path};
  std::vector<std::string> trials;
  if (Exists(fs::path(path) / "sweep.json")) {
    for (const auto& entry : fs::directory_iterator(path)) {
      if (entry.is_directory() && IsRunFolder(entry.path()))
        trials.push_back(entry.path().string());
    }
    std::sort(trials.begin(), trials.end());
  }
  return trials;
}

std::vector<std::string> Matches(const std::string& pattern) {
  glob_t found = {};
  std::vector<std::string> paths;
  if (glob(pattern.c_str(), 0, nullptr, &found) == 0)
    paths.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  globfree(&found);
  return paths;
}

/// What a run's checkpoint notes of the data it was made from. A checkpoint that can't be read is
/// for `--resume` to complain of.
std::string DataHash(const fs::path& folder) {
  const fs::path file = folder / "checkpoint" / "state.safetensors";
  if (!Exists(file)) return "";
  try {
    return ReadSafetensorsMetadata(file.string())["data"];
  } catch (const DataError&) {
    return "";
  }
}

void AddMetricNames(const Json& record, const std::string& path, std::vector<std::string>& names) {
  for (const auto& item : record.items()) {
    const std::string name = JoinPath(path, item.key());
    if (item.value().is_object()) AddMetricNames(item.value(), name, names);
    if (item.value().is_number() && name != "round" &&
        std::find(names.begin(), names.end(), name) == names.end())
      names.push_back(name);
  }
}

void AddSettings(const Json& value, const std::string& path,
                 std::vector<std::pair<std::string, Json>>& out) {
  if (value.is_object() && !value.empty()) {
    for (const auto& item : value.items())
      AddSettings(item.value(), JoinPath(path, item.key()), out);
  } else if (value.is_array() && !value.empty() && value[0].is_object()) {
    for (size_t i = 0; i < value.size(); ++i)
      AddSettings(value[i], path + "[" + std::to_string(i) + "]", out);
  } else {
    out.emplace_back(path, value);
  }
}

std::string ShowValue(const Json& value) {
  if (value.is_number_float()) return ShowNumber(value.get<double>());
  return value.is_string() ? value.get<std::string>() : value.dump();
}

/// "strategy=fedprox" for strategy.name, "training.lr=0.1" for others.
std::string ShowSetting(std::string key, const Json& value) {
  const std::string suffix = ".name";
  if (key.size() > suffix.size() &&
      key.compare(key.size() - suffix.size(), suffix.size(), suffix) == 0)
    key.resize(key.size() - suffix.size());
  return key + "=" + ShowValue(value);
}

std::string Label(const std::map<std::string, Json>& settings,
                  const std::vector<std::string>& keys) {
  std::string label;
  for (const std::string& key : keys) {
    const auto found = settings.find(key);
    if (found == settings.end()) continue;
    label += (label.empty() ? "" : ", ") + ShowSetting(key, found->second);
  }
  return label;
}

/// "; did you mean training.lr?" for lr, or for a typo.
std::string Suggestion(const std::string& key, const std::set<std::string>& keys) {
  for (const std::string& each : keys) {
    const size_t dot = each.rfind('.');
    if (dot != std::string::npos && each.substr(dot + 1) == key)
      return "; did you mean " + each + "?";
  }
  const std::string near = Nearest(key, {keys.begin(), keys.end()});
  return near.empty() ? "" : "; did you mean " + near + "?";
}

std::vector<RecordedRun> RunsWith(std::vector<RecordedRun> runs, const std::string& setting) {
  const size_t equals = setting.find('=');
  if (equals == 0 || equals == std::string::npos)
    throw ConfigError("--where " + setting + ": expected KEY=VALUE, such as strategy=fedavg");
  const std::string key = setting.substr(0, equals), text = setting.substr(equals + 1);
  const Json wanted = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  std::vector<RecordedRun> having;
  std::set<std::string> values, keys;
  for (RecordedRun& run : runs) {
    std::vector<std::pair<std::string, Json>> all;
    AddSettings(run.config, "", all);
    const auto found = std::find_if(all.begin(), all.end(), [&](const auto& each) {
      return each.first == key || each.first == key + ".name";
    });
    for (const auto& each : all) keys.insert(each.first);
    if (found == all.end()) continue;
    values.insert(ShowValue(found->second));
    if (found->second == wanted || found->second == Json(text)) having.push_back(std::move(run));
  }
  if (!having.empty()) return having;
  const std::vector<std::string> there(values.begin(), values.end());
  throw ConfigError("--where " + setting + ": " +
                    (there.empty() ? "no run has a setting " + key + Suggestion(key, keys)
                                   : "runs have " + key + " " + JoinNames(there)));
}

}  // namespace

std::string RecordedRun::status() const {
  const Json status = summary.is_object() ? summary.value("status", Json()) : Json();
  return status.is_string() ? status.get<std::string>() : "unfinished";
}

uint64_t RecordedRun::seed() const {
  const Json seed = config.value("seed", Json());
  return seed.is_number_unsigned() ? seed.get<uint64_t>() : 0;
}

int64_t RecordedRun::last_round() const {
  return rounds.empty() ? -1 : rounds.back().at("round").get<int64_t>();
}

RecordedRun ReadRun(const std::string& folder) {
  const fs::path path(folder);
  if (!IsRunFolder(path))
    throw DataError(folder + " is not a run folder (it has no config.json and rounds.jsonl)");
  RecordedRun run;
  run.folder = folder;
  const auto object = [&](const char* name) {
    const std::string file = (path / name).string();
    return ParsedObject(ReadFile(file), file);
  };
  run.config = object("config.json");
  for (const char* key : {"seed", "rounds"})
    CheckType(run.config, key, Json::value_t::number_unsigned, (path / "config.json").string());
  if (Exists(path / "summary.json")) run.summary = object("summary.json");
  for (const char* key : {"status", "version"})
    CheckType(run.summary, key, Json::value_t::string, (path / "summary.json").string());
  run.rounds = ReadRounds((path / "rounds.jsonl").string());
  run.data_hash = DataHash(path);
  return run;
}

std::vector<std::string> FindRuns(const std::vector<std::string>& arguments) {
  std::vector<std::string> runs;
  std::set<std::string> seen;
  for (const std::string& argument : arguments) {
    std::vector<std::string> folders = RunFoldersAt(argument);
    if (folders.empty() && !Exists(argument)) {
      for (const std::string& match : Matches(argument)) {
        for (std::string& folder : RunFoldersAt(match)) folders.push_back(std::move(folder));
      }
    }
    if (folders.empty())
      throw DataError(argument +
                      " names no run: it should be a run folder, a sweep's folder with trials, or "
                      "a glob of such");
    for (const std::string& folder : folders) {
      if (seen.insert(fs::weakly_canonical(folder).string()).second) runs.push_back(folder);
    }
  }
  return runs;
}

std::vector<RecordedRun> ReadRuns(const std::vector<std::string>& arguments,
                                  const std::vector<std::string>& settings) {
  std::vector<RecordedRun> runs;
  for (const std::string& folder : FindRuns(arguments)) runs.push_back(ReadRun(folder));
  for (const std::string& setting : settings) runs = RunsWith(std::move(runs), setting);
  return runs;
}

Json ValueAt(const Json& json, const std::string& path) {
  const Json* value = FindAtPath(json, path);
  return value == nullptr ? Json() : *value;
}

std::vector<std::pair<int64_t, double>> Series(const RecordedRun& run, const std::string& metric) {
  std::vector<std::pair<int64_t, double>> series;
  for (const Json& round : run.rounds) {
    const Json value = ValueAt(round, metric);
    if (value.is_number())
      series.emplace_back(round.at("round").get<int64_t>(), value.get<double>());
  }
  return series;
}

std::string MainMetric(const std::vector<RecordedRun>& runs) {
  for (const char* metric : {"test_accuracy", "test_loss"}) {
    const auto has = [&](const RecordedRun& run) { return !Series(run, metric).empty(); };
    if (std::any_of(runs.begin(), runs.end(), has)) return metric;
  }
  return "train_loss";
}

std::vector<std::string> MetricNames(const std::vector<RecordedRun>& runs) {
  std::vector<std::string> names;
  for (const RecordedRun& run : runs) {
    for (const Json& round : run.rounds) AddMetricNames(round, "", names);
  }
  return names;
}

std::vector<std::pair<std::string, Json>> Settings(const Json& config) {
  std::vector<std::pair<std::string, Json>> settings;
  for (const auto& item : config.items()) {
    const std::string& key = item.key();
    if (key == "seed" || key == "name" || key == "output" || key == "runtime") continue;
    AddSettings(item.value(), key, settings);
  }
  return settings;
}

std::vector<RunGroup> GroupRuns(const std::vector<RecordedRun>& runs) {
  std::vector<RunGroup> groups;
  std::vector<std::map<std::string, Json>> settings;  // of each group
  std::vector<std::string> keys;                      // of all, in order of appearance
  for (const RecordedRun& run : runs) {
    const auto all = Settings(run.config);
    const std::map<std::string, Json> mine(all.begin(), all.end());
    const auto found = std::find(settings.begin(), settings.end(), mine);
    if (found != settings.end()) {
      groups[static_cast<size_t>(found - settings.begin())].runs.push_back(&run);
      continue;
    }
    for (const auto& setting : all) {
      if (std::find(keys.begin(), keys.end(), setting.first) == keys.end())
        keys.push_back(setting.first);
    }
    settings.push_back(mine);
    groups.push_back({"", {&run}});
  }
  // What a label says: values that differ between the configs that have them; and, where that
  // leaves two configs alike, also those that only one of them has.
  std::vector<std::string> differing, partial;
  for (const std::string& key : keys) {
    std::set<std::string> values;
    size_t having = 0;
    for (const auto& each : settings) {
      const auto found = each.find(key);
      if (found == each.end()) continue;
      values.insert(found->second.dump());
      ++having;
    }
    if (values.size() > 1) differing.push_back(key);
    if (values.size() > 1 || having < settings.size()) partial.push_back(key);
  }
  std::map<std::string, int> uses;
  for (const auto& each : settings) ++uses[Label(each, differing)];
  for (size_t i = 0; i < groups.size(); ++i) {
    std::string label = Label(settings[i], differing);
    if (uses[label] > 1) label = Label(settings[i], partial);
    groups[i].label = groups.size() == 1 ? "all" : label;
    std::stable_sort(
        groups[i].runs.begin(), groups[i].runs.end(),
        [](const RecordedRun* a, const RecordedRun* b) { return a->seed() < b->seed(); });
  }
  return groups;
}

}  // namespace flsim
