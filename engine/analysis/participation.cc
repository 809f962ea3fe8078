#include "engine/analysis/participation.h"

#include <algorithm>
#include <map>
#include <utility>

#include "engine/core/files.h"

namespace flsim {
namespace {

constexpr int64_t kMostRows = 1000, kMostColumns = 500, kMostTimes = 100;

/// (round, ids) of the rounds that have a cohort.
std::vector<std::pair<int64_t, std::vector<int64_t>>> Cohorts(const RecordedRun& run) {
  std::vector<std::pair<int64_t, std::vector<int64_t>>> cohorts;
  for (const Json& round : run.rounds) {
    const auto found = round.find("cohort");
    if (found == round.end() || !found->is_array()) continue;
    cohorts.emplace_back(round.at("round").get<int64_t>(), std::vector<int64_t>());
    for (const Json& id : *found)
      if (id.is_number_integer() && id >= 0) cohorts.back().second.push_back(id.get<int64_t>());
  }
  return cohorts;
}

/// The population: what the config says, or as many as the ids need.
int64_t Clients(const RecordedRun& run, int64_t largest_id) {
  int64_t clients = largest_id + 1;
  const auto partition = run.config.find("partition");
  if (partition != run.config.end() && partition->is_object()) {
    const auto found = partition->find("clients");
    if (found != partition->end() && found->is_number_integer())
      clients = std::max(clients, found->get<int64_t>());
  }
  return clients;
}

}  // namespace

std::string CohortsHash(const RecordedRun& run) {
  std::string text;
  for (const auto& [round, ids] : Cohorts(run)) {
    text += std::to_string(round) + ":";
    for (const int64_t id : ids) text += std::to_string(id) + ",";
  }
  return text.empty() ? "" : Sha256(text);
}

Json ParticipationJson(const RecordedRun& run) {
  const auto cohorts = Cohorts(run);
  int64_t largest = -1, rounds = 0;
  for (const auto& [round, ids] : cohorts) {
    rounds = std::max(rounds, round);
    for (const int64_t id : ids) largest = std::max(largest, id);
  }
  const int64_t clients = Clients(run, largest);
  const int64_t rows = std::min(clients, kMostRows), columns = std::min(rounds, kMostColumns);

  std::vector<std::map<int64_t, int64_t>> cells(static_cast<size_t>(columns));
  std::vector<int64_t> times(static_cast<size_t>(clients), 0);
  for (const auto& [round, ids] : cohorts) {
    if (round < 1) continue;
    auto& column = cells[static_cast<size_t>((round - 1) * columns / rounds)];
    for (const int64_t id : ids) {
      ++column[id * rows / clients];
      ++times[static_cast<size_t>(id)];
    }
  }
  Json json = {{"clients", clients}, {"rounds", rounds}, {"rows", rows}, {"columns", columns}};
  json["cells"] = Json::array();
  for (const auto& column : cells) {
    Json flat = Json::array();
    for (const auto& [row, count] : column) {
      flat.push_back(row);
      flat.push_back(count);
    }
    json["cells"].push_back(std::move(flat));
  }
  std::sort(times.begin(), times.end());
  const int64_t most = times.empty() ? 0 : times.back();
  const int64_t width = most / kMostTimes + 1;
  std::map<int64_t, int64_t> histogram;
  for (const int64_t n : times) ++histogram[n / width * width];
  json["times"] = Json::array();
  for (const auto& [n, of_clients] : histogram) json["times"].push_back({n, of_clients});
  json["times_width"] = width;
  json["least"] = times.empty() ? 0 : times.front();
  json["median"] = times.empty() ? 0 : times[times.size() / 2];
  json["most"] = most;
  return json;
}

}  // namespace flsim
