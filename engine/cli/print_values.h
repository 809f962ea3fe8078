// Values of a summary, printed for scripts.
#pragma once

#include <string>
#include <vector>

#include "engine/core/json.h"

namespace flsim {

/// Throws ConfigError for the first path that leads nowhere, with the paths of `summary` and the
/// nearest of them; `what` names the summary.
void RequireValues(const Json& summary, const std::vector<std::string>& paths,
                   const std::string& what);

/// The values at these paths, a line each: numbers in full, texts without quotes, the rest as JSON.
std::string ShowValues(const Json& summary, const std::vector<std::string>& paths);

}  // namespace flsim
