#include "models/layers.h"

namespace flsim {
namespace {

/// A layer whose options are its whole definition.
template <class Spec>
class LayerOf : public Layer {
 public:
  using Options = Spec;
  LayerOf(const Spec& options, const Context&) { spec = options; }
};

#define FLSIM_LAYER(Spec, name, doc)              \
  [[maybe_unused]] const bool registered_##Spec = \
      Registry<Layer>::Get().Add<LayerOf<Spec>>(name, doc)

FLSIM_LAYER(Conv, "conv", "2-d convolution.");
FLSIM_LAYER(Linear, "linear", "Fully connected layer.");
FLSIM_LAYER(Relu, "relu", "max(x, 0).");
FLSIM_LAYER(MaxPool, "max_pool", "Maximum over square windows.");
FLSIM_LAYER(AvgPool, "avg_pool", "Mean over square windows.");
FLSIM_LAYER(Flatten, "flatten", "Makes an image one long vector.");
FLSIM_LAYER(Dropout, "dropout", "Zeroes values at random while training.");
FLSIM_LAYER(GroupNorm, "group_norm", "Group normalisation (Wu and He, 2018).");
FLSIM_LAYER(BatchNorm, "batch_norm", "Batch normalisation (Ioffe and Szegedy, 2015).");
FLSIM_LAYER(Residual, "residual", "Sum of two paths (He et al., 2016).");

}  // namespace

std::vector<Choice<Layer>> LayersFromJson(const Json& list) {
  Problems problems;
  std::vector<Choice<Layer>> layers;
  for (size_t i = 0; i < list.size(); ++i) {
    layers.emplace_back();
    layers.back().Bind(list[i], "layers[" + std::to_string(i) + "]", problems);
  }
  try {
    problems.ThrowIfAny("a list of layers");
  } catch (const ConfigError& error) {
    throw InternalError(error.what());
  }
  return layers;
}

}  // namespace flsim
