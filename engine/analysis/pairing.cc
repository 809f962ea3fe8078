#include "engine/analysis/pairing.h"

#include <algorithm>
#include <map>
#include <set>

namespace flsim {
namespace {

bool DrawnAlike(const Json& a, const Json& b) {
  return ValueAt(a, "seed") == ValueAt(b, "seed") &&
         ValueAt(a, "dataset") == ValueAt(b, "dataset") &&
         ValueAt(a, "partition") == ValueAt(b, "partition") &&
         ValueAt(a, "evaluation.held_out") == ValueAt(b, "evaluation.held_out");
}

bool SameCohorts(const std::vector<Json>& a, const std::vector<Json>& b) {
  const size_t rounds = std::min(a.size(), b.size());
  for (size_t i = 0; i < rounds; ++i) {
    // Round by round: replays and old runs may begin elsewhere.
    if (a[i].at("round") != b[i].at("round")) return false;
    // A skipped round tells nothing of who was drawn.
    if (a[i].contains("skipped") || b[i].contains("skipped")) continue;
    if (ValueAt(a[i], "cohort") != ValueAt(b[i], "cohort")) return false;
  }
  return true;
}

bool SameStart(const RecordedRun& a, const RecordedRun& b) {
  const bool known = !a.rounds.empty() && !b.rounds.empty() && a.rounds[0].contains("test_loss") &&
                     b.rounds[0].contains("test_loss");
  if (known) return a.rounds[0]["test_loss"] == b.rounds[0]["test_loss"];
  return ValueAt(a.config, "model") == ValueAt(b.config, "model") &&
         ValueAt(a.config, "seed") == ValueAt(b.config, "seed");
}

}  // namespace

InCommon CommonOf(const RecordedRun& a, const RecordedRun& b) {
  InCommon common;
  const bool hashed = !a.data_hash.empty() && !b.data_hash.empty();
  common.data = hashed ? a.data_hash == b.data_hash : DrawnAlike(a.config, b.config);
  common.cohorts = SameCohorts(a.rounds, b.rounds);
  common.initial_model = SameStart(a, b);
  return common;
}

std::string Show(const InCommon& common) {
  std::string text;
  for (const auto& [shared, name] : {std::pair{common.data, "partition"},
                                     {common.cohorts, "cohorts"},
                                     {common.initial_model, "initial model"}}) {
    if (shared) text += (text.empty() ? "" : ", ") + std::string(name);
  }
  return text;
}

std::string BlockDifferences(const Json& a, const Json& b, const std::string& block) {
  std::map<std::string, std::pair<Json, Json>> values;
  for (auto& [key, value] : Settings(a)) values[key].first = value;
  for (auto& [key, value] : Settings(b)) values[key].second = value;
  std::string text;
  for (const auto& [key, pair] : values) {
    const bool inside = key == block || key.rfind(block + ".", 0) == 0;
    if (!inside || pair.first == pair.second) continue;
    const auto show = [](const Json& value) { return value.is_null() ? "absent" : value.dump(); };
    text +=
        (text.empty() ? "" : ", ") + key + " (" + show(pair.first) + ", " + show(pair.second) + ")";
  }
  return text;
}

}  // namespace flsim
