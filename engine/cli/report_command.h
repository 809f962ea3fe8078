// What commands that write pages and figures share.
#pragma once

#include <string>

namespace flsim {

/// Throws ConfigError unless `path`, the value of a flag, is empty or ends in `ending`.
void CheckEnding(const std::string& flag, const std::string& path, const std::string& ending);

}  // namespace flsim
