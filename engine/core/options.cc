#include "engine/core/options.h"

#include "engine/core/error.h"

namespace flsim {

void Problems::Add(const std::string& path, const std::string& text) {
  std::string shown = path;
  for (const auto& [from, to] : renames_) {
    if (path.compare(0, from.size(), from) == 0 &&
        (path.size() == from.size() || path[from.size()] == '.' || path[from.size()] == '[')) {
      shown = to + path.substr(from.size());
    }
  }
  problems_.push_back({path, shown + ": " + text});
}

void Problems::AddLine(const std::string& line) { problems_.push_back({"", line}); }

void Problems::OrderAsIn(const Json& object, const std::string& path, size_t from) {
  const auto place = [&](const Problem& problem) {
    const size_t start = path.empty() ? 0 : path.size() + 1;
    size_t index = 0;
    for (const auto& item : object.items()) {
      const size_t end = start + item.key().size();
      if (problem.path.size() >= end && problem.path.compare(start, end - start, item.key()) == 0 &&
          (problem.path.size() == end || problem.path[end] == '.' || problem.path[end] == '[')) {
        break;
      }
      ++index;
    }
    return index;
  };
  std::stable_sort(problems_.begin() + static_cast<std::ptrdiff_t>(from), problems_.end(),
                   [&](const Problem& a, const Problem& b) { return place(a) < place(b); });
}

void Problems::Rename(const std::string& from, const std::string& to) {
  renames_.emplace_back(from, to);
}

void Problems::ThrowIfAny(const std::string& file) const {
  if (problems_.empty()) return;
  std::string text = file + " has " + std::to_string(problems_.size()) +
                     (problems_.size() == 1 ? " problem" : " problems");
  for (const Problem& problem : problems_) text += "\n  " + problem.line;
  throw ConfigError(text);
}

Accepts AtLeast(double min) {
  Accepts accepts;
  accepts.min = min;
  return accepts;
}

Accepts GreaterThan(double min) {
  Accepts accepts = AtLeast(min);
  accepts.exclusive_min = true;
  return accepts;
}

Accepts Between(double min, double max) {
  Accepts accepts = AtLeast(min);
  accepts.max = max;
  return accepts;
}

Accepts FromBelow(double min, double max) {
  Accepts accepts = Between(min, max);
  accepts.exclusive_max = true;
  return accepts;
}

Accepts UpTo(double min, double max) {
  Accepts accepts = Between(min, max);
  accepts.exclusive_min = true;
  return accepts;
}

Accepts Inside(double min, double max) {
  Accepts accepts = FromBelow(min, max);
  accepts.exclusive_min = true;
  return accepts;
}

Accepts OneOf(std::vector<std::string> names) {
  Accepts accepts;
  accepts.names = std::move(names);
  return accepts;
}

std::string Nearest(const std::string& typo, const std::vector<std::string>& names) {
  std::string best;
  size_t best_cost = typo.size() / 2 + 1;
  for (const std::string& name : names) {
    // Levenshtein's distance, one row at a time.
    std::vector<size_t> row(name.size() + 1);
    for (size_t j = 0; j <= name.size(); ++j) row[j] = j;
    for (size_t i = 1; i <= typo.size(); ++i) {
      size_t diagonal = row[0];
      row[0] = i;
      for (size_t j = 1; j <= name.size(); ++j) {
        const size_t substitute = diagonal + (typo[i - 1] != name[j - 1]);
        diagonal = row[j];
        row[j] = std::min({substitute, row[j] + 1, row[j - 1] + 1});
      }
    }
    if (row.back() < best_cost) {
      best_cost = row.back();
      best = name;
    }
  }
  if (best.empty() && typo.size() >= 3) {
    // "batch" for "batch_size" is far by edits.
    for (const std::string& name : names) {
      if (name.compare(0, typo.size(), typo) == 0) return name;
    }
  }
  return best;
}

std::string JoinNames(const std::vector<std::string>& names) {
  std::string joined;
  for (const std::string& name : names) joined += (joined.empty() ? "" : ", ") + name;
  return joined;
}

std::string Shown(const Json& value) {
  const std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  return text.size() <= 60 ? text : text.substr(0, 57) + "...";
}

namespace options {

std::string OutOfRange(double number, const Accepts& accepts, const Json& value) {
  if (accepts.min &&
      (accepts.exclusive_min ? !(number > *accepts.min) : !(number >= *accepts.min))) {
    return (accepts.exclusive_min ? "must be greater than " : "must be at least ") +
           ShowNumber(*accepts.min) + ", got " + Shown(value);
  }
  if (accepts.max &&
      (accepts.exclusive_max ? !(number < *accepts.max) : !(number <= *accepts.max))) {
    return (accepts.exclusive_max ? "must be less than " : "must be at most ") +
           ShowNumber(*accepts.max) + ", got " + Shown(value);
  }
  return "";
}

std::string OutOfLimits(const Json& value, int64_t min, uint64_t max) {
  const bool negative = !value.is_number_unsigned() && value.get<int64_t>() < 0;
  if (negative && value.get<int64_t>() < min) {
    return "must be at least " + std::to_string(min) + ", got " + Shown(value);
  }
  if (!negative && value.get<uint64_t>() > max) {
    return "must be at most " + std::to_string(max) + ", got " + Shown(value);
  }
  return "";
}

void AddUnknownKeys(const Json& in, const std::vector<std::string>& known, const std::string& path,
                    bool named, Problems& problems) {
  for (const auto& item : in.items()) {
    if (named && item.key() == "name") continue;
    if (std::find(known.begin(), known.end(), item.key()) != known.end()) continue;
    const std::string near = Nearest(item.key(), known);
    const std::string suggestion =
        !near.empty()    ? "; did you mean '" + near + "'?"
        : !known.empty() ? "; known: " + JoinNames(known)
                         : "; " + in.value("name", std::string("it")) + " has no options";
    problems.Add(JoinPath(path, item.key()), "unknown option" + suggestion);
  }
}

void DescribeScalar(Json& schema, const Accepts& accepts) {
  const auto bound = [](double value) {
    return value == static_cast<double>(static_cast<int64_t>(value))
               ? Json(static_cast<int64_t>(value))
               : Json(value);
  };
  if (accepts.min)
    schema[accepts.exclusive_min ? "exclusiveMinimum" : "minimum"] = bound(*accepts.min);
  if (accepts.max)
    schema[accepts.exclusive_max ? "exclusiveMaximum" : "maximum"] = bound(*accepts.max);
  if (!accepts.names.empty()) schema["enum"] = accepts.names;
}

}  // namespace options
}  // namespace flsim
