// The convolutional network of Reddi et al. (2021), "Adaptive Federated Optimization": two 3x3
// convolutions, one pool, dropout. 1,626,442 parameters for 3x32x32 images of 10 classes.
#include "models/model.h"

namespace flsim {
namespace {

class Cnn : public Model {
 public:
  using Options = ModelOptions;
  Cnn(const Options& options, const Context& context) : options_(options) {
    RequireImages("cnn", context.facts);
  }

  std::vector<Choice<Layer>> Layers() const override {
    return LayersFromJson(Json::parse(R"([
      {"name": "conv", "id": "conv1", "channels": 32, "kernel": 3}, "relu",
      {"name": "conv", "id": "conv2", "channels": 64, "kernel": 3}, "relu", "max_pool",
      {"name": "dropout", "p": 0.25},
      "flatten",
      {"name": "linear", "id": "fc1", "features": 128}, "relu",
      {"name": "dropout", "p": 0.5},
      {"name": "linear", "id": "fc2"}
    ])"));
  }
  const std::string& init() const override { return options_.init; }

 private:
  Options options_;
};

FLSIM_REGISTER(Model, Cnn, "cnn",
               "Two 3x3 convolutions with dropout; 1,626,442 parameters on CIFAR-10.");

}  // namespace
}  // namespace flsim
