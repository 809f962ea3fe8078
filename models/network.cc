#include "models/network.h"

#include <cctype>
#include <functional>
#include <iomanip>
#include <numeric>
#include <set>
#include <sstream>

#include "engine/core/error.h"

namespace flsim {
namespace {

/// Of parameters in a network and of values that a layer makes of one example: 8 GiB.
constexpr int64_t kMaxElements = (int64_t{1} << 31) - 1;

/// The product, or -1 if it is above kMaxElements.
int64_t CountOf(const Shape& shape) {
  int64_t count = 1;
  for (const int64_t size : shape) {
    if (size > kMaxElements / count) return -1;
    count *= size;
  }
  return count;
}

const LayerOptions& OptionsOf(const LayerSpec& spec) {
  return std::visit([](const auto& options) -> const LayerOptions& { return options; }, spec);
}

/// Appends layers to a network. One overload for each kind of layer: it takes `layer.input`, checks
/// it, fills `layer.output` and adds the layer's tensors.
class Builder {
 public:
  explicit Builder(Network& network) : network_(network) {}

  /// `prefix`: of the ids ("layer1.0."); `branch`: of the ids that are only a position ("body.").
  Shape AddList(const std::vector<Choice<Layer>>& list, Shape shape, const std::string& path,
                const std::string& prefix, const std::string& branch,
                std::vector<NetworkLayer>& out) {
    for (size_t i = 0; i < list.size(); ++i) {
      NetworkLayer layer;
      layer.kind = list[i].name;
      layer.spec = list[i].Make({})->spec;
      layer.input = std::move(shape);
      const std::string place = path + "[" + std::to_string(i) + "]";
      const std::string& id = OptionsOf(layer.spec).id;
      layer.id = prefix + (id.empty() ? branch + std::to_string(i) : id);
      place_ = place + " (" + list[i].name + ")";
      CheckId(layer.id);
      std::visit([&](const auto& spec) { Add(spec, layer, place); }, layer.spec);
      place_ = place + " (" + list[i].name + ")";
      if (CountOf(layer.output) < 0) {
        Refuse("makes " + ShapeText(layer.output) + " values of one example, more than the " +
               std::to_string(kMaxElements) + " that flsim can hold");
      }
      shape = layer.output;
      out.push_back(std::move(layer));
    }
    return shape;
  }

 private:
  [[noreturn]] void Refuse(const std::string& reason) const {
    throw ConfigError(place_ + ": " + reason);
  }

  void CheckId(const std::string& id) {
    for (const char c : id) {
      if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '_' && c != '.') {
        Refuse("id \"" + id + "\" may have letters, digits, '_' and '.' only");
      }
    }
    if (!ids_.insert(id).second) {
      Refuse("id \"" + id + "\" is taken by an earlier layer; give each layer its own");
    }
  }

  int AddTensor(ParameterLayout& layout, const NetworkLayer& layer, const char* tensor,
                const Shape& shape) {
    const std::string name = layer.id + tensor;
    const int64_t count = CountOf(shape);
    if (count < 0 || layout.size() > kMaxElements - count) {
      Refuse(name + " has " + ShapeText(shape) + " elements; a network may have at most " +
             std::to_string(kMaxElements) + " in all");
    }
    return layout.Add(name, shape, layer.kind);
  }

  void AddWeights(NetworkLayer& layer, const Shape& weight, bool bias) {
    layer.weight = AddTensor(network_.parameters, layer, ".weight", weight);
    if (bias) layer.bias = AddTensor(network_.parameters, layer, ".bias", {weight[0]});
  }

  void NeedImage(const NetworkLayer& layer) const {
    if (layer.input.size() != 3) {
      Refuse("needs an image [channels, height, width], got " + ShapeText(layer.input) +
             " values in a row");
    }
  }

  /// Side of a convolution's or pool's output.
  int64_t Slide(int64_t side, int64_t kernel, int64_t stride, int64_t padding,
                const NetworkLayer& layer) const {
    if (side + 2 * padding < kernel) {
      Refuse("kernel " + std::to_string(kernel) + " is larger than its input " +
             ShapeText(layer.input) +
             (padding > 0 ? " with padding " + std::to_string(padding) : std::string()));
    }
    return (side + 2 * padding - kernel) / stride + 1;
  }

  void Add(const Conv& conv, NetworkLayer& layer, const std::string&) {
    NeedImage(layer);
    layer.output = {conv.channels,
                    Slide(layer.input[1], conv.kernel, conv.stride, conv.padding, layer),
                    Slide(layer.input[2], conv.kernel, conv.stride, conv.padding, layer)};
    AddWeights(layer, {conv.channels, layer.input[0], conv.kernel, conv.kernel}, conv.bias);
  }

  void Add(const Linear& linear, NetworkLayer& layer, const std::string&) {
    if (layer.input.size() != 1) {
      Refuse("needs a flat input, got " + ShapeText(layer.input) + "; put flatten before it");
    }
    layer.output = {linear.features.value_or(network_.outputs)};
    AddWeights(layer, {layer.output[0], layer.input[0]}, linear.bias);
  }

  void Add(const Relu&, NetworkLayer& layer, const std::string&) { layer.output = layer.input; }
  void Add(const Dropout&, NetworkLayer& layer, const std::string&) { layer.output = layer.input; }

  template <class Pool>
  void AddPool(const Pool& pool, NetworkLayer& layer) {
    const int64_t stride = pool.stride.value_or(pool.kernel);
    layer.output = {layer.input[0], Slide(layer.input[1], pool.kernel, stride, 0, layer),
                    Slide(layer.input[2], pool.kernel, stride, 0, layer)};
  }

  void Add(const MaxPool& pool, NetworkLayer& layer, const std::string&) {
    NeedImage(layer);
    AddPool(pool, layer);
  }

  void Add(const AvgPool& pool, NetworkLayer& layer, const std::string&) {
    NeedImage(layer);
    if (pool.kernel == 0) {
      layer.output = {layer.input[0], 1, 1};
    } else {
      AddPool(pool, layer);
    }
  }

  void Add(const Flatten&, NetworkLayer& layer, const std::string&) {
    layer.output = {CountOf(layer.input)};
  }

  void Add(const GroupNorm& norm, NetworkLayer& layer, const std::string&) {
    if (layer.input[0] % norm.groups != 0) {
      Refuse("groups " + std::to_string(norm.groups) + " must divide the " +
             std::to_string(layer.input[0]) + " channels of its input");
    }
    layer.output = layer.input;
    AddWeights(layer, {layer.input[0]}, true);
  }

  void Add(const BatchNorm&, NetworkLayer& layer, const std::string&) {
    layer.output = layer.input;
    AddWeights(layer, {layer.input[0]}, true);
    layer.running_mean = AddTensor(network_.buffers, layer, ".running_mean", {layer.input[0]});
    layer.running_var = AddTensor(network_.buffers, layer, ".running_var", {layer.input[0]});
  }

  void Add(const Residual& residual, NetworkLayer& layer, const std::string& place) {
    const std::string own = place_;
    const std::string prefix = layer.id + ".";
    layer.output =
        AddList(residual.body, layer.input, place + ".body", prefix, "body.", layer.body);
    const Shape shortcut = AddList(residual.shortcut, layer.input, place + ".shortcut", prefix,
                                   "shortcut.", layer.shortcut);
    place_ = own;
    if (layer.output != shortcut) {
      Refuse("body gives " + ShapeText(layer.output) + " but shortcut gives " +
             ShapeText(shortcut) + "; they are added and must be equal");
    }
  }

  Network& network_;
  std::string place_;  ///< of the layer being added, for messages
  std::set<std::string> ids_;
};

bool AnyDropout(const std::vector<NetworkLayer>& layers) {
  for (const NetworkLayer& layer : layers) {
    const auto* dropout = std::get_if<Dropout>(&layer.spec);
    if (dropout != nullptr && dropout->p > 0) return true;
    if (AnyDropout(layer.body) || AnyDropout(layer.shortcut)) return true;
  }
  return false;
}

}  // namespace

bool Network::HasDropout() const { return AnyDropout(layers); }

Network BuildNetwork(const std::vector<Choice<Layer>>& layers, const DatasetFacts& facts,
                     const std::string& path) {
  FLSIM_CHECK(!facts.input_shape.empty() && CountOf(facts.input_shape) > 0);
  FLSIM_CHECK(facts.outputs >= 1 && (facts.task == Task::kClassification || facts.outputs == 1),
              facts.outputs);
  Network network;
  network.task = facts.task;
  network.input = facts.input_shape;
  network.outputs = facts.outputs;
  const Shape output =
      Builder(network).AddList(layers, facts.input_shape, path, "", "", network.layers);
  const std::string needs =
      facts.task == Task::kRegression
          ? "1 (a regression's prediction)"
          : std::to_string(facts.outputs) + " (one for each class of the data set)";
  if (output != Shape{facts.outputs}) {
    throw ConfigError(path + ": the last layer gives " + ShapeText(output) + " values, but " +
                      needs + " are needed; end with a linear layer without \"features\"");
  }
  if (network.parameters.size() == 0) {
    throw ConfigError(path + ": no layer has parameters, so there is nothing to train");
  }
  return network;
}

}  // namespace flsim
