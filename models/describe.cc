// The table of DescribeNetwork.
#include <algorithm>
#include <sstream>

#include "models/network.h"

namespace flsim {
namespace {

/// 62006 as "62,006".
std::string Grouped(int64_t number) {
  std::string text = std::to_string(number);
  for (auto at = static_cast<int64_t>(text.size()) - 3; at > 0; at -= 3) {
    text.insert(static_cast<size_t>(at), ",");
  }
  return text;
}

struct Row {
  std::string id, kind, output, parameters;
};

void AddRows(const Network& network, const std::vector<NetworkLayer>& layers,
             const std::string& indent, std::vector<Row>& rows) {
  for (const NetworkLayer& layer : layers) {
    int64_t count = 0;
    if (layer.weight >= 0) count += network.parameters[layer.weight].size;
    if (layer.bias >= 0) count += network.parameters[layer.bias].size;
    rows.push_back(
        {indent + layer.id, layer.kind, ShapeText(layer.output), count > 0 ? Grouped(count) : ""});
    AddRows(network, layer.body, indent + "  ", rows);
    AddRows(network, layer.shortcut, indent + "  ", rows);
  }
}

}  // namespace

std::string ShapeText(const Shape& shape) {
  std::string text;
  for (const int64_t size : shape) text += (text.empty() ? "" : "x") + std::to_string(size);
  return text;
}

std::string DescribeNetwork(const Network& network) {
  std::vector<Row> rows = {{"layer", "kind", "output", "parameters"},
                           {"", "input", ShapeText(network.input), ""}};
  AddRows(network, network.layers, "", rows);
  rows.push_back({"total", "", "", Grouped(network.parameters.size())});
  size_t id = 0, kind = 0, output = 0, parameters = 0;
  for (const Row& row : rows) {
    id = std::max(id, row.id.size());
    kind = std::max(kind, row.kind.size());
    output = std::max(output, row.output.size());
    parameters = std::max(parameters, row.parameters.size());
  }
  std::ostringstream text;
  for (const Row& row : rows) {
    std::string line = row.id + std::string(id + 2 - row.id.size(), ' ') + row.kind +
                       std::string(kind + 2 - row.kind.size(), ' ') + row.output +
                       std::string(output + 2 - row.output.size(), ' ') +
                       std::string(parameters - row.parameters.size(), ' ') + row.parameters;
    line.erase(line.find_last_not_of(' ') + 1);
    text << line << "\n";
  }
  return text.str();
}

}  // namespace flsim
