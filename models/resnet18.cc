// ResNet-18 (He, Zhang, Ren, Sun, 2016) for small images: a 3x3 stem of stride 1 and no max pool.
// Tensors are named as in torchvision. Group normalisation by default, which needs no statistics
// across clients (Hsieh, Phanishayee, Mutlu, Gibbons, 2020). 11,173,962 parameters for 10 classes.
#include "models/model.h"

namespace flsim {
namespace {

class ResNet18 : public Model {
 public:
  struct Options : ModelOptions {
    std::string norm = "group";
    int64_t groups = 2;
    template <class V>
    void Visit(V& v) {
      ModelOptions::Visit(v);
      v(norm, "norm", "Normalisation: group, or batch (running statistics are buffers).",
        OneOf({"group", "batch"}));
      v(groups, "groups", "Groups of group normalisation: a power of two.", Between(1, 64));
    }
    void Check(Problems& problems, const std::string& path) {
      if (64 % groups != 0) {
        problems.Add(
            JoinPath(path, "groups"),
            "must divide the 64 channels of the first stage, got " + std::to_string(groups));
      }
    }
  };
  ResNet18(const Options& options, const Context& context) : options_(options) {
    RequireImages("resnet18", context.facts);
  }

  std::vector<Choice<Layer>> Layers() const override {
    Json list = {Conv3("conv1", 64, 1), Norm("bn1"), "relu"};
    int64_t channels = 64;
    for (int stage = 1; stage <= 4; ++stage, channels *= 2) {
      for (int block = 0; block < 2; ++block) {
        const int stride = stage > 1 && block == 0 ? 2 : 1;
        list.push_back({{"name", "residual"},
                        {"id", "layer" + std::to_string(stage) + "." + std::to_string(block)},
                        {"body",
                         {Conv3("conv1", channels, stride), Norm("bn1"), "relu",
                          Conv3("conv2", channels, 1), Norm("bn2")}},
                        {"shortcut", stride == 1 ? Json::array() : Downsample(channels)}});
        list.push_back("relu");
      }
    }
    list.push_back({{"name", "avg_pool"}, {"kernel", 0}});
    list.push_back("flatten");
    list.push_back({{"name", "linear"}, {"id", "fc"}});
    return LayersFromJson(list);
  }
  const std::string& init() const override { return options_.init; }

 private:
  static Json Conv3(const char* id, int64_t channels, int stride) {
    return {{"name", "conv"}, {"id", id},         {"channels", channels}, {"kernel", 3},
            {"padding", 1},   {"stride", stride}, {"bias", false}};
  }
  Json Norm(const char* id) const {
    if (options_.norm == "batch") return {{"name", "batch_norm"}, {"id", id}};
    return {{"name", "group_norm"}, {"id", id}, {"groups", options_.groups}};
  }
  Json Downsample(int64_t channels) const {
    return Json::array({Json{{"name", "conv"},
                             {"id", "downsample.0"},
                             {"channels", channels},
                             {"kernel", 1},
                             {"stride", 2},
                             {"bias", false}},
                        Norm("downsample.1")});
  }

  Options options_;
};

FLSIM_REGISTER(Model, ResNet18, "resnet18",
               "ResNet-18 for small images, group or batch norm; 11,173,962 parameters.");

}  // namespace
}  // namespace flsim
