// Dotted paths into JSON objects.
#pragma once

#include <string>
#include <vector>

#include "engine/core/json.h"

namespace flsim {

/// The value at a dotted path of keys ("final.test_accuracy"); null where there is none.
const Json* FindAtPath(const Json& root, const std::string& path);

/// The dotted paths of everything in an object that is no object itself, in its order.
std::vector<std::string> LeafPaths(const Json& root);

}  // namespace flsim
