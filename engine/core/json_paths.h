// Dotted paths into JSON objects.
#pragma once

#include <string>
#include <vector>

#include "engine/core/json.h"

namespace flsim {

/// The value at a dotted path of keys ("final.test_accuracy"); null where there is none.
const Json* FindAtPath(const Json& root, const std::string& path);

/// A setting of a config, as it is written or with its defaults: of a component ("strategy") the
/// name, with or without its options; null where there is none.
Json SettingAt(const Json& config, const std::string& path);

/// The dotted paths of everything in an object that is no object itself, in its order.
std::vector<std::string> LeafPaths(const Json& root);

}  // namespace flsim
