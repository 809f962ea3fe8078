#include "engine/cli/print_values.h"

#include "engine/core/error.h"
#include "engine/core/json_paths.h"
#include "engine/core/options.h"

namespace flsim {

void RequireValues(const Json& summary, const std::vector<std::string>& paths,
                   const std::string& what) {
  for (const std::string& path : paths) {
    if (FindAtPath(summary, path) != nullptr) continue;
    const std::vector<std::string> known = LeafPaths(summary);
    const std::string near = Nearest(path, known);
    throw ConfigError("--print " + path + ": " + what + " has no such value; known: " +
                      JoinNames(known) + (near.empty() ? "" : "; did you mean '" + near + "'?"));
  }
}

std::string ShowValues(const Json& summary, const std::vector<std::string>& paths) {
  std::string text;
  for (const std::string& path : paths) {
    const Json* value = FindAtPath(summary, path);
    FLSIM_CHECK(value != nullptr, path);
    text += (value->is_string() ? value->get<std::string>() : value->dump()) + "\n";
  }
  return text;
}

}  // namespace flsim
