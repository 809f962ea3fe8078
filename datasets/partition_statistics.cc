#include "datasets/partition_statistics.h"

#include <algorithm>
#include <cmath>

#include "engine/core/error.h"
#include "engine/core/text.h"

namespace flsim {
namespace {

constexpr int64_t kMostRows = 20;
constexpr int64_t kMostColumns = 40;

std::string Number(double value) { return Format("%.4g", value); }

/// The value below which a part `q` of the sorted sizes lies.
double Quantile(const std::vector<int64_t>& sorted, double q) {
  const double position = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(position);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  const double part = position - static_cast<double>(below);
  return static_cast<double>(sorted[below]) +
         part * static_cast<double>(sorted[above] - sorted[below]);
}

/// Part of each class in the labels of the examples first[0..n).
void LabelShares(const int64_t* first, int64_t n, const PartitionInput& input,
                 std::vector<double>& shares) {
  shares.assign(static_cast<size_t>(input.classes), 0);
  for (int64_t i = 0; i < n; ++i)
    shares[static_cast<size_t>(input.labels[static_cast<size_t>(first[i])])] += 1;
  for (double& share : shares) share /= static_cast<double>(n);
}

void MeasureSizes(const Partition& partition, PartitionStatistics& out) {
  std::vector<int64_t> sizes;
  for (int64_t k = 0; k < out.clients; ++k) sizes.push_back(partition.size(k));
  std::sort(sizes.begin(), sizes.end());
  const auto n = static_cast<double>(out.clients);
  out.size_min = sizes.front();
  out.size_max = sizes.back();
  out.size_q1 = Quantile(sizes, 0.25);
  out.size_median = Quantile(sizes, 0.5);
  out.size_q3 = Quantile(sizes, 0.75);
  out.size_mean = static_cast<double>(out.examples) / n;
  double squares = 0, ranked = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    const auto size = static_cast<double>(sizes[i]);
    squares += (size - out.size_mean) * (size - out.size_mean);
    ranked += (2 * static_cast<double>(i + 1) - n - 1) * size;
  }
  out.size_std = std::sqrt(squares / n);
  out.size_gini = ranked / (n * static_cast<double>(out.examples));
}

void MeasureLabels(const Partition& partition, const PartitionInput& input,
                   PartitionStatistics& out) {
  out.has_labels = true;
  std::vector<double> all, shares;
  LabelShares(partition.indices.data(), out.examples, input, all);
  double distance = 0, effective = 0;
  for (int64_t k = 0; k < out.clients; ++k) {
    LabelShares(partition.begin(k), partition.size(k), input, shares);
    double entropy = 0;
    for (size_t c = 0; c < shares.size(); ++c) {
      distance += std::abs(shares[c] - all[c]) / 2;
      if (shares[c] > 0) entropy -= shares[c] * std::log(shares[c]);
    }
    effective += std::exp(entropy);
  }
  out.label_distance = distance / static_cast<double>(out.clients);
  out.effective_classes = effective / static_cast<double>(out.clients);
}

std::string Shade(double share, bool utf8) {
  if (share <= 0) return utf8 ? "·" : ".";
  if (!utf8) return Format("%d", std::min(9, static_cast<int>(share * 10)));
  constexpr const char* kBlocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  return kBlocks[std::min(7, static_cast<int>(share * 8))];
}

std::string HeatMap(const Partition& partition, const PartitionInput& input,
                    const std::vector<std::string>& class_names, bool utf8) {
  const int64_t classes = input.classes, clients = partition.clients();
  const int64_t columns = std::min(classes, kMostColumns), rows = std::min(clients, kMostRows);
  std::string text = "\nshare of each class in a client's examples (";
  text += utf8 ? "▁ up to 1/8 ... █ over 7/8)\n" : "0 under 1/10 ... 9 at least 9/10)\n";
  if (columns < classes) {
    text += Format("%lld classes in %lld columns of neighbours\n", static_cast<long long>(classes),
                   static_cast<long long>(columns));
  }
  text += Format("%10s %9s  ", "client", "examples");
  for (int64_t column = 0; column < columns; ++column)
    text += columns < classes ? "--" : Format("%2d", static_cast<int>(column));
  text += '\n';
  std::vector<double> shares;
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t client = rows == 1 ? 0 : row * (clients - 1) / (rows - 1);
    LabelShares(partition.begin(client), partition.size(client), input, shares);
    text += Format("%10lld %9lld  ", static_cast<long long>(client),
                   static_cast<long long>(partition.size(client)));
    for (int64_t column = 0; column < columns; ++column) {
      double share = 0;
      for (int64_t c = column * classes / columns; c < (column + 1) * classes / columns; ++c)
        share += shares[static_cast<size_t>(c)];
      text += " " + Shade(share, utf8);
    }
    text += '\n';
  }
  for (size_t c = 0; c < class_names.size() && columns == classes; ++c)
    text += (c == 0 ? "classes: " : ", ") + std::to_string(c) + " " + class_names[c];
  if (!class_names.empty() && columns == classes) text += '\n';
  return text;
}

}  // namespace

PartitionStatistics MeasurePartition(const Partition& partition, const PartitionInput& input) {
  FLSIM_CHECK(partition.clients() > 0);
  PartitionStatistics out;
  out.clients = partition.clients();
  out.examples = partition.offsets.back();
  std::vector<bool> used(static_cast<size_t>(input.examples), false);
  for (const int64_t index : partition.indices) used[static_cast<size_t>(index)] = true;
  out.unused = std::count(used.begin(), used.end(), false);
  MeasureSizes(partition, out);
  if (!input.labels.empty()) MeasureLabels(partition, input, out);
  return out;
}

std::string ShowPartition(const Partition& partition, const PartitionInput& input,
                          const std::vector<std::string>& class_names, bool utf8) {
  const PartitionStatistics s = MeasurePartition(partition, input);
  std::string text = Format("clients   %lld\nexamples  %lld", static_cast<long long>(s.clients),
                            static_cast<long long>(s.examples));
  if (s.unused > 0) text += Format(" (%lld unused)", static_cast<long long>(s.unused));
  text += Format("\nsizes     min %lld, quartiles ", static_cast<long long>(s.size_min)) +
          Number(s.size_q1) + " " + Number(s.size_median) + " " + Number(s.size_q3) +
          Format(", max %lld; ", static_cast<long long>(s.size_max)) + "mean " +
          Number(s.size_mean) + ", standard deviation " + Number(s.size_std) +
          "\n          Gini coefficient " + Number(s.size_gini) + " (0: all equal)\n";
  if (!s.has_labels) return text;
  text += "labels    distance to the whole " + Number(s.label_distance) +
          " (total variation; 0: iid), effective classes " + Number(s.effective_classes) + " of " +
          std::to_string(input.classes) + "\n";
  return text + HeatMap(partition, input, class_names, utf8);
}

std::string PartitionCsv(const Partition& partition, const PartitionInput& input,
                         const std::vector<std::string>& class_names) {
  const int32_t classes = input.labels.empty() ? 0 : input.classes;
  std::string csv = "client,examples";
  for (int32_t c = 0; c < classes; ++c) {
    const auto at = static_cast<size_t>(c);
    csv += "," + (at < class_names.size() ? class_names[at] : std::to_string(c));
  }
  csv += "\n";
  std::vector<int64_t> counts(static_cast<size_t>(classes));
  for (int64_t client = 0; client < partition.clients(); ++client) {
    std::fill(counts.begin(), counts.end(), 0);
    const int64_t n = partition.size(client);
    for (int64_t i = 0; i < n && classes > 0; ++i) {
      const auto example = static_cast<size_t>(partition.begin(client)[i]);
      ++counts[static_cast<size_t>(input.labels[example])];
    }
    csv += std::to_string(client) + "," + std::to_string(n);
    for (const int64_t count : counts) csv += "," + std::to_string(count);
    csv += "\n";
  }
  return csv;
}

}  // namespace flsim
