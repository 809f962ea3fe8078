#include "engine/core/json.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <vector>

#include "engine/core/error.h"

namespace flsim {
namespace {

constexpr int kMaxDepth = 64;

std::string LineAndColumn(const std::string& text, size_t byte) {
  size_t line = 1, column = 1;
  for (size_t i = 0; i + 1 < byte && i < text.size(); ++i) {
    if (text[i] == '\n') {
      ++line;
      column = 1;
    } else {
      ++column;
    }
  }
  return "line " + std::to_string(line) + ", column " + std::to_string(column);
}

/// The last part of nlohmann's message: what was found and what was expected.
std::string Reason(const std::string& what) {
  const size_t syntax = what.find("syntax error");
  if (syntax != std::string::npos) return what.substr(syntax);
  const size_t bracket = what.find("] ");
  return bracket == std::string::npos ? what : what.substr(bracket + 2);
}

/// Follows the parser through the text and notes keys that an object already has.
class DuplicateFinder {
 public:
  bool operator()(int depth, Json::parse_event_t event, Json& parsed) {
    using Event = Json::parse_event_t;
    if (depth > kMaxDepth) too_deep_ = true;
    if (too_deep_) return false;
    switch (event) {
      case Event::object_start:
      case Event::array_start:
        levels_.emplace_back();
        levels_.back().is_list = event == Event::array_start;
        break;
      case Event::object_end:
      case Event::array_end:
        levels_.pop_back();
        EndItem();
        break;
      case Event::value:
        EndItem();
        break;
      case Event::key:
        levels_.back().key = parsed.get<std::string>();
        if (!levels_.back().keys.insert(levels_.back().key).second) {
          duplicates_ += "\n  " + Path() + ": stands twice in one object";
        }
        break;
    }
    return true;
  }
  const std::string& duplicates() const { return duplicates_; }
  bool too_deep() const { return too_deep_; }

 private:
  /// An object or a list that the parser is in.
  struct Level {
    bool is_list = false;
    size_t index = 0;
    std::string key;
    std::set<std::string> keys;
  };

  void EndItem() {
    if (!levels_.empty()) ++levels_.back().index;
  }
  std::string Path() const {
    std::string path;
    for (const Level& level : levels_) {
      path = level.is_list ? path + "[" + std::to_string(level.index) + "]"
                           : JoinPath(path, level.key);
    }
    return path;
  }

  std::vector<Level> levels_;
  std::string duplicates_;
  bool too_deep_ = false;
};

}  // namespace

Json ParseJson(const std::string& text, const std::string& file) {
  DuplicateFinder finder;
  Json parsed;
  try {
    parsed = Json::parse(text, std::ref(finder));
  } catch (const Json::parse_error& error) {
    throw ConfigError(file + " is not valid JSON: " + LineAndColumn(text, error.byte) + ": " +
                      Reason(error.what()));
  } catch (const Json::exception& error) {
    throw ConfigError(file + " is not valid JSON: " + Reason(error.what()));
  }
  if (finder.too_deep()) {
    throw ConfigError(file + " is nested more than " + std::to_string(kMaxDepth) + " levels deep");
  }
  if (!finder.duplicates().empty()) {
    throw ConfigError(file + " has duplicate keys" + finder.duplicates());
  }
  return parsed;
}

Json ReadJsonFile(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    throw ConfigError(path + " can't be read: it is a folder");
  }
  std::ifstream file(path, std::ios::binary);
  if (!file.is_open()) throw ConfigError(path + " can't be read: no such file, or no permission");
  return ParseJson({std::istreambuf_iterator<char>(file), {}}, path);
}

std::string JoinPath(const std::string& path, const std::string& key) {
  return path.empty() ? key : path + "." + key;
}

namespace {

/// Follows the positions ("[0][1]") after a key; `walked` grows with them.
Json* FollowPositions(Json* at, const std::string& positions, const std::string& path,
                      std::string& walked) {
  for (size_t open = 0; open < positions.size();) {
    const size_t close = positions.find(']', open);
    const std::string digits = close == std::string::npos || positions[open] != '['
                                   ? ""
                                   : positions.substr(open + 1, close - open - 1);
    if (digits.empty() || digits.size() > 9 ||
        digits.find_first_not_of("0123456789") != std::string::npos) {
      throw ConfigError("--set " + path + ": expected a position such as [0] after " + walked);
    }
    const size_t index = std::stoul(digits);
    if (!at->is_array() || index >= at->size()) {
      throw ConfigError("--set " + path + ": " + walked + " has no item " + digits);
    }
    at = &(*at)[index];
    walked += "[" + digits + "]";
    open = close + 1;
  }
  return at;
}

}  // namespace

void SetAtPath(Json& root, const std::string& path, const Json& value) {
  Json* at = &root;
  std::string walked;
  for (size_t start = 0; start <= path.size();) {
    const size_t dot = std::min(path.find('.', start), path.size());
    const std::string part = path.substr(start, dot - start);
    const size_t bracket = std::min(part.find('['), part.size());
    const std::string key = part.substr(0, bracket);
    if (key.empty()) throw ConfigError("--set " + path + ": a key is empty");
    if (at->is_null()) *at = Json::object();
    if (at->is_string()) *at = Json{{"name", *at}};
    if (!at->is_object()) {
      throw ConfigError("--set " + path + ": " + (walked.empty() ? "the config" : walked) +
                        " is not an object");
    }
    at = &(*at)[key];
    walked = JoinPath(walked, key);
    at = FollowPositions(at, part.substr(bracket), path, walked);
    start = dot + 1;
  }
  *at = value;
}

void ApplyOverride(Json& root, const std::string& assignment) {
  const size_t equals = assignment.find('=');
  if (equals == std::string::npos || equals == 0) {
    throw ConfigError("--set " + assignment + ": expected KEY=VALUE, such as training.lr=0.1");
  }
  if (!IsUtf8(Json(assignment))) throw ConfigError("--set: the text is not valid UTF-8");
  const std::string key = assignment.substr(0, equals), text = assignment.substr(equals + 1);
  // JSON is held to the rules for files; what is no JSON is a string.
  SetAtPath(root, key, Json::accept(text) ? ParseJson(text, "--set " + key) : Json(text));
}

bool IsUtf8(const Json& json) {
  try {
    json.dump();
    return true;
  } catch (const Json::type_error&) {
    return false;
  }
}

std::string ShowNumber(double value) {
  if (std::abs(value) < 9e15 && value == std::floor(value)) {
    return std::to_string(static_cast<long long>(value));
  }
  return Json(value).dump();
}

}  // namespace flsim
