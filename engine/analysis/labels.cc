#include "engine/analysis/labels.h"

#include <algorithm>
#include <map>

namespace flsim {

// A comma may be a value's own: what follows is a part of its own only if it has a key.
std::vector<std::string> LabelParts(const std::string& label) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= label.size();) {
    const size_t end = std::min(label.find(", ", begin), label.size());
    const std::string part = label.substr(begin, end - begin);
    if (parts.empty() || part.find('=') != std::string::npos) {
      parts.push_back(part);
    } else {
      parts.back() += ", " + part;
    }
    begin = end + 2;
  }
  return parts;
}

std::vector<std::string> ShortLabels(const std::vector<RunGroup>& groups) {
  std::map<std::string, size_t> having;  // how many groups have a part
  for (const RunGroup& group : groups)
    for (const std::string& part : LabelParts(group.label)) ++having[part];
  std::vector<std::string> labels;
  std::map<std::string, int> uses;
  for (const RunGroup& group : groups) {
    std::string label;
    for (const std::string& part : LabelParts(group.label)) {
      if (label.empty()) {
        label = part;
      } else if (2 * having[part] <= groups.size()) {
        label += ", " + part;
      }
    }
    labels.push_back(label);
    ++uses[label];
  }
  for (size_t i = 0; i < groups.size(); ++i)
    if (uses[labels[i]] > 1 || labels[i].empty()) labels[i] = groups[i].label;
  return labels;
}

}  // namespace flsim
