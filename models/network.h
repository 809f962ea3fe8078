// A layer list with shapes and parameters worked out: what every backend starts from.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "datasets/dataset.h"
#include "engine/core/parameters.h"
#include "models/layers.h"

namespace flsim {

using Shape = std::vector<int64_t>;  ///< of one example, without the batch: {channels, height,
                                     ///< width} or {features}

/// One layer in its place. Parameter and buffer members are indices into the network's layouts, -1
/// where absent.
struct NetworkLayer {
  std::string id;
  std::string kind;  ///< its name in a config: "conv"
  LayerSpec spec;
  Shape input, output;
  int weight = -1, bias = -1;
  int running_mean = -1, running_var = -1;
  std::vector<NetworkLayer> body, shortcut;  ///< of a residual layer
};

struct Network {
  Task task = Task::kRegression;
  Shape input;
  int64_t outputs = 1;
  std::vector<NetworkLayer> layers;
  ParameterLayout parameters, buffers;

  /// Whether the network draws random numbers while training (dropout).
  bool HasDropout() const;
};

/// Works out shapes, names and layouts. Throws ConfigError, with `path` and the layer's place,
/// where layers do not fit each other or the data ("model.layers[3] (linear): needs a flat input,
/// got 16x5x5; put flatten before it").
Network BuildNetwork(const std::vector<Choice<Layer>>& layers, const DatasetFacts& facts,
                     const std::string& path);

/// PyTorch's default initialisation, drawn from our generator: weights and biases of convolutions
/// and linear layers uniform in +-1/sqrt(fan_in); norms 1 and 0; running statistics 0 and 1. Each
/// tensor has its own stream.
void InitializeParameters(const Network& network, uint64_t seed, at::Tensor& parameters,
                          at::Tensor& buffers);

/// Takes the tensors of a safetensors file. Throws DataError naming the file and every tensor that
/// is missing, of another shape, unknown or not finite throughout.
void LoadParameters(const Network& network, const std::string& path, at::Tensor& parameters,
                    at::Tensor& buffers);

/// Writes parameters and buffers under PyTorch's names and shapes.
void SaveParameters(const Network& network, const std::string& path, const at::Tensor& parameters,
                    const at::Tensor& buffers);

/// "16x5x5", "84".
std::string ShapeText(const Shape& shape);

/// A table of layers, shapes and parameter counts, one line each.
std::string DescribeNetwork(const Network& network);

}  // namespace flsim
