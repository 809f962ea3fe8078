// Strict JSON: what nlohmann/json accepts, less duplicate keys and less deep nesting.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace flsim {

using Json = nlohmann::ordered_json;

/// Parses `text`. Throws ConfigError naming `file`, with line and column for a syntax error and
/// with the path of every key that stands twice in one object.
Json ParseJson(const std::string& text, const std::string& file);

/// Reads and parses a file. Throws ConfigError if it can't be read.
Json ReadJsonFile(const std::string& path);

/// `path` joined to `key` with a dot; `key` alone at the root.
std::string JoinPath(const std::string& path, const std::string& key);

/// Replaces the value at a dotted path ("training.lr", "model.layers[2].kernel"), making objects on
/// the way. A component given by its name alone becomes {"name": ...} so that its options can be
/// set. Throws ConfigError.
void SetAtPath(Json& root, const std::string& path, const Json& value);

/// Applies one `KEY=VALUE` of the command line: VALUE is JSON if it parses as JSON, else a string.
void ApplyOverride(Json& root, const std::string& assignment);

/// Whether every string in it is UTF-8, so that it can be written.
bool IsUtf8(const Json& json);

/// A number as a person writes it: 1 for 1.0, 0.1 for 0.1.
std::string ShowNumber(double value);

}  // namespace flsim
