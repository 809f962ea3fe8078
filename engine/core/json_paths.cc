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
