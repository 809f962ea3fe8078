#include "engine/analysis/client_records.h"

#include <algorithm>
#include <unordered_map>

#include "engine/analysis/csv.h"
#include "engine/core/files.h"

namespace flsim {
namespace {

/// A client's value in the latest round that has one.
class Latest {
 public:
  void Take(int64_t client, int64_t round, double value) {
    auto& known = values_[client];
    if (known.first <= round) known = {round, value};
  }
  std::vector<double> Sorted() const {
    std::vector<double> sorted;
    for (const auto& item : values_) sorted.push_back(item.second.second);
    std::sort(sorted.begin(), sorted.end());
    return sorted;
  }

 private:
  std::unordered_map<int64_t, std::pair<int64_t, double>> values_;
};

}  // namespace

std::optional<ClientRecords> ReadClientRecords(const std::string& run_folder) {
  const std::string path = run_folder + "/clients.csv";
  if (!Exists(path)) return std::nullopt;
  CsvFile file(path);
  const size_t client = file.Column("client");
  const int round = file.Find("round");
  const int accuracy = file.Find("accuracy"), loss = file.Find("loss"),
            seconds = file.Find("seconds");
  const auto has = [&](int column) {
    return column >= 0 && !file.field(static_cast<size_t>(column)).empty();
  };
  Latest accuracies, losses;
  ClientRecords records;
  while (file.Next()) {
    const int64_t id = file.Integer(client);
    const int64_t at = has(round) ? file.Integer(static_cast<size_t>(round)) : 0;
    if (has(accuracy)) accuracies.Take(id, at, file.Number(static_cast<size_t>(accuracy)));
    if (has(loss)) losses.Take(id, at, file.Number(static_cast<size_t>(loss)));
    if (has(seconds)) records.seconds.push_back(file.Number(static_cast<size_t>(seconds)));
  }
  records.accuracies = accuracies.Sorted();
  records.losses = losses.Sorted();
  std::sort(records.seconds.begin(), records.seconds.end());
  return records;
}

std::vector<double> EvenlySpread(const std::vector<double>& values, size_t most) {
  if (values.size() <= most) return values;
  std::vector<double> spread;
  for (size_t i = 0; i < most; ++i) spread.push_back(values[i * (values.size() - 1) / (most - 1)]);
  return spread;
}

}  // namespace flsim
