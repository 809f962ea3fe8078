// LeNet-5 (LeCun, Bottou, Bengio, Haffner, 1998) as it is used for CIFAR-10 today: ReLU and 2x2 max
// pooling. 62,006 parameters for 3x32x32 images of 10 classes.
#include "models/model.h"

namespace flsim {
namespace {

class LeNet : public Model {
 public:
  using Options = ModelOptions;
  LeNet(const Options& options, const Context& context) : options_(options) {
    RequireImages("lenet", context.facts);
  }

  std::vector<Choice<Layer>> Layers() const override {
    return LayersFromJson(Json::parse(R"([
      {"name": "conv", "id": "conv1", "channels": 6, "kernel": 5}, "relu", "max_pool",
      {"name": "conv", "id": "conv2", "channels": 16, "kernel": 5}, "relu", "max_pool",
      "flatten",
      {"name": "linear", "id": "fc1", "features": 120}, "relu",
      {"name": "linear", "id": "fc2", "features": 84}, "relu",
      {"name": "linear", "id": "fc3"}
    ])"));
  }
  const std::string& init() const override { return options_.init; }

 private:
  Options options_;
};

FLSIM_REGISTER(Model, LeNet, "lenet",
               "LeNet-5 with ReLU and max pooling; 62,006 parameters on CIFAR-10.");

}  // namespace
}  // namespace flsim
