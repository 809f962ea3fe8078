#include "engine/experiment/config.h"

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <iterator>

#include "engine/core/error.h"

namespace flsim {
namespace {

/// The model that a data set gets when the config names none.
std::string DefaultModel(const Json& experiment) {
  Problems ignored;  // reported when the whole config is read
  Choice<Dataset> dataset;
  if (experiment.contains("dataset")) dataset.Bind(experiment.at("dataset"), "", ignored);
  if (!dataset.make) return "linear";
  const DatasetFacts facts = dataset.Make({})->facts();
  if (facts.task == Task::kRegression) return "linear";
  return facts.input_shape.size() == 3 ? "lenet" : "softmax";
}

/// A cosine falls over the experiment's rounds, unless it says over how many. Spelled out, so that
/// a run that is resumed with more rounds keeps its schedule or is refused.
void GiveRounds(Json& block, const char* key, const Json& rounds) {
  if (!block.is_object() || !block.contains(key)) return;
  Json& schedule = block[key];
  if (schedule == "cosine") schedule = {{"name", "cosine"}};
  if (!schedule.is_object() || schedule.value("name", Json()) != "cosine") return;
  if (!schedule.contains("rounds")) schedule["rounds"] = rounds;
}

void AddDifferences(const Json& before, const Json& after, const std::string& path,
                    std::vector<std::string>& out) {
  const Json none;
  if (before.is_object() && after.is_object()) {
    for (const auto& item : before.items()) {
      const auto found = after.find(item.key());
      AddDifferences(item.value(), found == after.end() ? none : *found, JoinPath(path, item.key()),
                     out);
    }
    for (const auto& item : after.items()) {
      if (!before.contains(item.key()))
        AddDifferences(none, item.value(), JoinPath(path, item.key()), out);
    }
  } else if (before != after) {
    const auto show = [](const Json& value) {
      return value.is_null() ? std::string("absent") : Shown(value);
    };
    out.push_back(path + ": was " + show(before) + ", is " + show(after));
  }
}

}  // namespace

void OutputOptions::Check(Problems& problems, const std::string& path) {
  if (dir.empty()) problems.Add(JoinPath(path, "dir"), "must name a folder; \".\" is this one");
}

void ExperimentConfig::Check(Problems& problems, const std::string& path) {
  if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos ||
      std::any_of(name.begin(), name.end(), [](unsigned char c) { return c < 32; })) {
    problems.Add(JoinPath(path, "name"),
                 "must be usable as a folder's name, got " + Shown(Json(name)));
  }
}

Json ReadConfigJson(const std::string& file, const std::vector<std::string>& overrides) {
  Json json;
  if (file == "-") {
    json = ParseJson({std::istreambuf_iterator<char>(std::cin), {}}, "standard input");
  } else {
    json = ReadJsonFile(file);
  }
  if (json.is_object() && json.contains("base") && !json.contains("dataset"))
    throw ConfigError(file + " is a sweep; run it with: flsim sweep --config " + file);
  for (const std::string& assignment : overrides) ApplyOverride(json, assignment);
  if (file != "-" && json.is_object() && !json.contains("name")) {
    const Json name = std::filesystem::path(file).stem().string();
    if (IsUtf8(name)) json["name"] = name;
  }
  return json;
}

ExperimentConfig ParseConfig(Json json, Problems& problems) {
  if (json.is_object()) json.erase("$schema");  // a note to editors
  ExpandAliases(json, problems);
  if (json.is_object()) {
    if (!json.contains("model")) json["model"] = Json::object();
    Json& model = json["model"];
    if (model.is_object() && !model.contains("name")) model["name"] = DefaultModel(json);
  }
  ExperimentConfig config;
  if (json.is_object()) {
    Json rounds = json.value("rounds", Json(config.rounds));
    if (rounds == 0) rounds = 1;
    // Any others are a problem of "rounds" alone.
    if (rounds.is_number_integer() && rounds >= 1 && rounds <= 4294967295) {
      GiveRounds(json, "server_lr_schedule", rounds);
      if (json.contains("training")) GiveRounds(json["training"], "lr_schedule", rounds);
    }
  }
  ReadOptions(config, json, "", problems);
  return config;
}

Json ResolvedConfig(const ExperimentConfig& config) {
  ExperimentConfig copy = config;
  return Writer::Write(copy);
}

Json ConfigSchema() {
  ExperimentConfig config;
  return Schema::Of(config);
}

std::vector<std::string> ConfigDifferences(const Json& before, const Json& after) {
  std::vector<std::string> differences;
  AddDifferences(before, after, "", differences);
  return differences;
}

}  // namespace flsim
