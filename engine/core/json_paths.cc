#include "engine/core/json_paths.h"

#include <algorithm>

namespace flsim {

const Json* FindAtPath(const Json& root, const std::string& path) {
  const Json* at = &root;
  for (size_t start = 0; start <= path.size();) {
    const size_t dot = std::min(path.find('.', start), path.size());
    if (!at->is_object()) return nullptr;
    const auto found = at->find(path.substr(start, dot - start));
    if (found == at->end()) return nullptr;
    at = &*found;
    start = dot + 1;
  }
  return at;
}

Json SettingAt(const Json& config, const std::string& path) {
  const std::string name = ".name";
  const bool of_component =
      path.size() > name.size() && path.compare(path.size() - name.size(), name.size(), name) == 0;
  const Json* component =
      of_component ? FindAtPath(config, path.substr(0, path.size() - name.size())) : nullptr;
  if (component != nullptr && component->is_string()) return *component;
  const Json* value = FindAtPath(config, path);
  if (value == nullptr) return {};
  return value->is_object() && value->contains("name") ? value->at("name") : *value;
}

std::vector<std::string> LeafPaths(const Json& root) {
  std::vector<std::string> paths;
  for (const auto& item : root.items()) {
    if (!item.value().is_object()) {
      paths.push_back(item.key());
      continue;
    }
    for (const std::string& path : LeafPaths(item.value()))
      paths.push_back(JoinPath(item.key(), path));
  }
  return paths;
}

}  // namespace flsim
