// A model: a name for a list of layers.
#pragma once

#include <string>

#include "models/network.h"

namespace flsim {

/// Options of every model.
struct ModelOptions {
  std::string init;
  template <class V>
  void Visit(V& v) {
    v(init, "init",
      "Safetensors file with the initial parameters under PyTorch's names; if empty, PyTorch's "
      "default initialisation "
      "drawn from the seed.");
  }
};

class Model {
 public:
  static constexpr const char* kKind = "model";
  struct Context {
    DatasetFacts facts;
  };
  virtual ~Model() = default;

  virtual std::vector<Choice<Layer>> Layers() const = 0;
  /// The options' `init`.
  virtual const std::string& init() const = 0;
};

/// Throws ConfigError unless the data set's examples are images.
void RequireImages(const std::string& model, const DatasetFacts& facts);

}  // namespace flsim
