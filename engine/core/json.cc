#include "engine/core/json.h"

#include <cmath>
#include <fstream>
#include <set>
#include <sstream>

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
    if (event == Event::object_start) {
      keys_.emplace_back();
      names_.emplace_back();
    } else if (event == Event::object_end) {
      keys_.pop_back();
      names_.pop_back();
    } else if (event == Event::key) {
      const std::string key = parsed.get<std::string>();
      names_.back() = key;
      if (!keys_.back().insert(key).second) {
        std::string path;
        for (const std::string& name : names_) path = JoinPath(path, name);
        duplicates_ += "\n  " + path + ": stands twice in one object";
      }
    }
    return !too_deep_;
  }
  const std::string& duplicates() const { return duplicates_; }
  bool too_deep() const { return too_deep_; }

 private:
  std::vector<std::set<std::string>> keys_;
  std::vector<std::string> names_;
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
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (file.is_open()) text << file.rdbuf();
  // Reading a folder opens but yields nothing and sets the failbit of `text`.
  if (!file.is_open() || file.bad() || text.fail()) {
    throw ConfigError(
        path + " can't be read: " +
        (file.is_open() ? "is it an empty file or a folder?" : "no such file, or no permission"));
  }
  return ParseJson(text.str(), path);
}

std::string JoinPath(const std::string& path, const std::string& key) {
  return path.empty() ? key : path + "." + key;
}

void SetAtPath(Json& root, const std::string& path, const Json& value) {
  Json* at = &root;
  std::string walked;
  std::istringstream parts(path);
  std::string part;
  bool any = false;
  while (std::getline(parts, part, '.')) {
    any = true;
    const size_t bracket = part.find('[');
    const std::string key = part.substr(0, bracket);
    if (key.empty()) throw ConfigError("--set " + path + ": a key is empty");
    if (at->is_null()) *at = Json::object();
    if (at->is_string()) *at = Json{{"name", *at}};
    if (!at->is_object()) throw ConfigError("--set " + path + ": " + walked + " is not an object");
    at = &(*at)[key];
    walked = JoinPath(walked, key);
    for (size_t open = bracket; open != std::string::npos; open = part.find('[', open + 1)) {
      const size_t close = part.find(']', open);
      const std::string digits =
          part.substr(open + 1, close == std::string::npos ? 0 : close - open - 1);
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
    }
  }
  if (!any) throw ConfigError("--set: the key is empty");
  *at = value;
}

void ApplyOverride(Json& root, const std::string& assignment) {
  const size_t equals = assignment.find('=');
  if (equals == std::string::npos || equals == 0) {
    throw ConfigError("--set " + assignment + ": expected KEY=VALUE, such as training.lr=0.1");
  }
  const std::string text = assignment.substr(equals + 1);
  Json value = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) value = text;
  SetAtPath(root, assignment.substr(0, equals), value);
}

std::string ShowNumber(double value) {
  if (std::abs(value) < 9e15 && value == std::floor(value)) {
    return std::to_string(static_cast<long long>(value));
  }
  return Json(value).dump();
}

}  // namespace flsim
