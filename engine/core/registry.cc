#include "engine/core/registry.h"

#include <algorithm>
#include <utility>

namespace flsim {

namespace {

std::vector<std::string> NamesAndAliases(const std::string& kind_name) {
  const Kind& kind = Kinds().at(kind_name);
  std::vector<std::string> names = kind.names();
  for (const Alias& alias : kind.aliases) names.push_back(alias.name);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

std::map<std::string, Kind>& Kinds() {
  static std::map<std::string, Kind> kinds;
  return kinds;
}

bool AddAlias(const std::string& kind, Alias alias) {
  FLSIM_CHECK(FindAlias(kind, alias.name) == nullptr, "registered twice:", alias.name);
  std::vector<Alias>& aliases = Kinds()[kind].aliases;
  const auto after = std::find_if(aliases.begin(), aliases.end(),
                                  [&](const Alias& other) { return other.name > alias.name; });
  aliases.insert(after, std::move(alias));
  return true;
}

const Alias* FindAlias(const std::string& kind, const std::string& name) {
  const auto found = Kinds().find(kind);
  if (found == Kinds().end()) return nullptr;
  for (const Alias& alias : found->second.aliases) {
    if (alias.name == name) return &alias;
  }
  return nullptr;
}

std::string KnownNames(const std::string& kind) { return JoinNames(NamesAndAliases(kind)); }

std::string UnknownName(const std::string& kind, const std::string& name) {
  const std::string near = Nearest(name, NamesAndAliases(kind));
  return "unknown " + kind + " '" + name + "'; known: " + KnownNames(kind) +
         (near.empty() ? "" : "; did you mean '" + near + "'?");
}

Json AliasSchema(const Alias& alias) {
  Json schema = Kinds().at(alias.axis).schema(alias.axis_default.at("name").get<std::string>());
  schema["description"] = alias.doc;
  schema["properties"]["name"] = {{"const", alias.name}};
  for (const auto& item : alias.axis_default.items()) {
    if (item.key() != "name") schema["properties"][item.key()]["default"] = item.value();
  }
  return schema;
}

Json SchemaDefinitions() {
  Json definitions = Json::object();
  for (const auto& [key, kind] : Kinds()) {
    Json names = Json::array();
    Json any_of = Json::array();
    for (const std::string& name : kind.names()) {
      names.push_back(name);
      any_of.push_back(kind.schema(name));
    }
    for (const Alias& alias : kind.aliases) {
      names.push_back(alias.name);
      any_of.push_back(AliasSchema(alias));
    }
    any_of.insert(any_of.begin(), Json{{"enum", names}});
    definitions[key] = {{"anyOf", any_of}};
  }
  return definitions;
}

void ExpandAliases(Json& experiment, Problems& problems) {
  if (!experiment.is_object()) return;
  for (const auto& [key, kind] : Kinds()) {
    const auto found = experiment.find(key);
    if (found == experiment.end()) continue;
    Json options = found->is_string() ? Json{{"name", *found}} : *found;
    if (!options.is_object() || !options.contains("name") || !options["name"].is_string()) continue;
    const Alias* alias = FindAlias(key, options["name"].get<std::string>());
    if (alias == nullptr) continue;
    if (experiment.contains(alias->axis)) {
      problems.Add(alias->axis, "is already chosen by " + key + " '" + alias->name +
                                    "'; leave it out, or use " + key + " '" + alias->component +
                                    "'");
      *found = alias->component;  // so that the alias itself is no further problem
      continue;
    }
    Json replacing = alias->axis_default;
    options.erase("name");
    replacing.update(options);
    experiment[alias->axis] = replacing;
    *experiment.find(key) = alias->component;
    problems.Rename(alias->axis, key);
  }
}

}  // namespace flsim
