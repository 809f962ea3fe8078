#include "engine/analysis/partition_table.h"

#include <algorithm>
#include <numeric>

#include "engine/analysis/csv.h"
#include "engine/core/error.h"

namespace flsim {
namespace {

constexpr size_t kMostClients = 1000, kMostLabels = 200;

/// The bin, of `bins` equal ones, that item i of n falls into.
size_t Bin(size_t i, size_t n, size_t bins) { return i * bins / n; }

Json MeasuresJson(const PartitionStatistics& s) {
  Json json = {{"clients", s.clients},     {"examples", s.examples},       {"unused", s.unused},
               {"size_min", s.size_min},   {"size_q1", s.size_q1},         {"size_max", s.size_max},
               {"size_q3", s.size_q3},     {"size_median", s.size_median}, {"size_std", s.size_std},
               {"size_mean", s.size_mean}, {"size_gini", s.size_gini}};
  if (s.has_labels) {
    json["label_distance"] = s.label_distance;
    json["effective_classes"] = s.effective_classes;
  }
  return json;
}

/// "3", or "3 to 5" for a bin of neighbours.
std::vector<std::string> BinNames(const std::vector<std::string>& labels, size_t bins) {
  std::vector<std::string> first(bins), last(bins), names;
  for (size_t i = labels.size(); i-- > 0;) first[Bin(i, labels.size(), bins)] = labels[i];
  for (size_t i = 0; i < labels.size(); ++i) last[Bin(i, labels.size(), bins)] = labels[i];
  for (size_t i = 0; i < bins; ++i)
    names.push_back(first[i] == last[i] ? first[i] : first[i] + " to " + last[i]);
  return names;
}

}  // namespace

PartitionTable CountLabels(const Partition& partition, const PartitionInput& input,
                           const std::vector<std::string>& class_names) {
  PartitionTable table;
  const auto labels = static_cast<size_t>(input.labels.empty() ? 0 : input.classes);
  for (size_t label = 0; label < labels; ++label)
    table.labels.push_back(label < class_names.size() ? class_names[label] : std::to_string(label));
  table.counts.assign(static_cast<size_t>(partition.clients()) * labels, 0);
  for (int64_t k = 0; k < partition.clients(); ++k) {
    table.examples.push_back(partition.size(k));
    for (int64_t i = 0; i < partition.size(k) && labels > 0; ++i) {
      const int32_t label = input.labels[static_cast<size_t>(partition.begin(k)[i])];
      ++table.counts[static_cast<size_t>(k) * labels + static_cast<size_t>(label)];
    }
  }
  return table;
}

PartitionTable ReadPartitionTable(const std::string& path) {
  CsvFile file(path);
  const size_t client = file.Column("client"), examples = file.Column("examples");
  if (client != 0 || examples != 1)
    throw DataError(path + " has to begin with the columns client,examples");
  PartitionTable table;
  table.labels.assign(file.header().begin() + 2, file.header().end());
  while (file.Next()) {
    const std::string where = path + ": client " + file.field(client);
    if (file.Integer(client) != static_cast<int64_t>(table.examples.size()))
      throw DataError(where + " stands where client " + std::to_string(table.examples.size()) +
                      " should; the file is damaged");
    table.examples.push_back(file.Integer(examples));
    int64_t sum = 0;
    for (size_t label = 2; label < file.header().size(); ++label) {
      table.counts.push_back(file.Integer(label));
      if (table.counts.back() < 0) throw DataError(where + " has a negative count");
      sum += table.counts.back();
    }
    if (table.examples.back() < 1 || (!table.labels.empty() && sum != table.examples.back()))
      throw DataError(where + " has " + std::to_string(table.examples.back()) +
                      " examples, its labels add up to " + std::to_string(sum) +
                      "; the file is damaged");
  }
  if (table.examples.empty()) throw DataError(path + " has no client; the file is damaged");
  return table;
}

PartitionStatistics MeasureTable(const PartitionTable& table) {
  // A partition with these counts: every client's examples one after the other.
  Partition partition;
  PartitionInput input;
  input.examples = std::accumulate(table.examples.begin(), table.examples.end(), int64_t{0});
  input.classes = static_cast<int32_t>(table.labels.size());
  partition.offsets.push_back(0);
  for (const int64_t size : table.examples)
    partition.offsets.push_back(partition.offsets.back() + size);
  partition.indices.resize(static_cast<size_t>(input.examples));
  std::iota(partition.indices.begin(), partition.indices.end(), 0);
  for (size_t i = 0; i < table.counts.size(); ++i)
    input.labels.insert(input.labels.end(), static_cast<size_t>(table.counts[i]),
                        static_cast<int32_t>(i % table.labels.size()));
  return MeasurePartition(partition, input);
}

Json PartitionJson(const PartitionTable& table, const PartitionStatistics& measures) {
  const size_t clients = table.examples.size(), labels = table.labels.size();
  const size_t columns = std::min(clients, kMostClients), rows = std::min(labels, kMostLabels);
  std::vector<int64_t> sizes(columns, 0);
  std::vector<std::vector<int64_t>> counts(rows, std::vector<int64_t>(columns, 0));
  for (size_t k = 0; k < clients; ++k) {
    const size_t column = Bin(k, clients, columns);
    sizes[column] += table.examples[k];
    for (size_t label = 0; label < labels; ++label)
      counts[Bin(label, labels, rows)][column] += table.counts[k * labels + label];
  }
  return {{"measures", MeasuresJson(measures)},
          {"labels", BinNames(table.labels, rows)},
          {"all_labels", labels},
          {"examples", sizes},
          {"counts", counts}};
}

}  // namespace flsim
