// The layers a network is made of, as data. One list of them describes a model in the config, in
// models/*.cc and to every backend.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "engine/core/registry.h"

namespace flsim {

/// A layer of a `sequential` model, chosen by name; see the options structs below.
class Layer;

/// Options of every layer.
struct LayerOptions {
  std::string id;
  template <class V>
  void Visit(V& v) {
    v(id, "id",
      "Prefix of the layer's parameter names (conv1 gives conv1.weight); its position in the list "
      "if empty.");
  }
};

/// 2-d convolution: [channels_in, h, w] -> [channels, h', w'], h' = (h + 2 padding - kernel) /
/// stride + 1.
struct Conv : LayerOptions {
  int64_t channels = 1, kernel = 3, stride = 1, padding = 0;
  bool bias = true;
  template <class V>
  void Visit(V& v) {
    LayerOptions::Visit(v);
    v(channels, "channels", "Output channels.", Between(1, 65536));
    v(kernel, "kernel", "Side of the square kernel.", Between(1, 1024));
    v(stride, "stride", "Step between two places of the kernel.", Between(1, 1024));
    v(padding, "padding", "Rows and columns of zeros around the input.", Between(0, 1024));
    v(bias, "bias", "Adds a learned number to each output channel.");
  }
};

/// Fully connected: [features_in] -> [features]. Its input must be flat.
struct Linear : LayerOptions {
  std::optional<int64_t> features;
  bool bias = true;
  template <class V>
  void Visit(V& v) {
    LayerOptions::Visit(v);
    v(features, "features",
      "Output features; if absent, the data set's outputs (its classes, or 1).",
      Between(1, 16777216));
    v(bias, "bias", "Adds a learned number to each output.");
  }
};

struct Relu : LayerOptions {};

/// Maximum over kernel x kernel windows: [c, h, w] -> [c, (h - kernel) / stride + 1, ...].
struct MaxPool : LayerOptions {
  int64_t kernel = 2;
  std::optional<int64_t> stride;
  template <class V>
  void Visit(V& v) {
    LayerOptions::Visit(v);
    v(kernel, "kernel", "Side of the square window.", Between(1, 1024));
    v(stride, "stride", "Step between two windows; the kernel if absent.", Between(1, 1024));
  }
};

/// Mean over windows, as MaxPool.
struct AvgPool : LayerOptions {
  int64_t kernel = 2;
  std::optional<int64_t> stride;
  template <class V>
  void Visit(V& v) {
    LayerOptions::Visit(v);
    v(kernel, "kernel", "Side of the square window; 0 takes the whole image.", Between(0, 1024));
    v(stride, "stride", "Step between two windows; the kernel if absent.", Between(1, 1024));
  }
};

/// [a, b, ...] -> [a b ...]
struct Flatten : LayerOptions {};

/// Zeroes each value with probability p while training and scales the others by 1 / (1 - p).
struct Dropout : LayerOptions {
  double p = 0.5;
  template <class V>
  void Visit(V& v) {
    LayerOptions::Visit(v);
    v(p, "p", "Probability that a value is zeroed.", FromBelow(0, 1));
  }
};

/// Joins the variance in group and batch normalisation.
constexpr double kNormEpsilon = 1e-5;

/// Group normalisation (Wu and He, 2018), epsilon 1e-5, learned scale and shift.
struct GroupNorm : LayerOptions {
  int64_t groups = 2;
  template <class V>
  void Visit(V& v) {
    LayerOptions::Visit(v);
    v(groups, "groups", "Groups that the channels are divided into; must divide them.",
      Between(1, 65536));
  }
};

/// Batch normalisation (Ioffe and Szegedy, 2015), epsilon 1e-5, momentum 0.1, learned scale and
/// shift; its running mean and variance are buffers.
struct BatchNorm : LayerOptions {};

/// body(x) + shortcut(x); an empty shortcut is x itself. The id is the prefix of the ids inside; a
/// layer without an id is "body.0", "shortcut.0" by its position.
struct Residual : LayerOptions {
  std::vector<Choice<Layer>> body, shortcut;
  template <class V>
  void Visit(V& v) {
    LayerOptions::Visit(v);
    v(body, "body", "Layers of the main path.");
    v(shortcut, "shortcut", "Layers of the other path; none: the input itself.");
  }
};

using LayerSpec = std::variant<Conv, Linear, Relu, MaxPool, AvgPool, Flatten, Dropout, GroupNorm,
                               BatchNorm, Residual>;

class Layer {
 public:
  static constexpr const char* kKind = "layer";
  struct Context {};
  virtual ~Layer() = default;

  LayerSpec spec;
};

/// Reads a list of layers from JSON, as `sequential` does. Throws InternalError: for lists that
/// flsim itself writes.
std::vector<Choice<Layer>> LayersFromJson(const Json& list);

}  // namespace flsim
