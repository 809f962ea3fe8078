// A multi-layer perceptron with ReLU; by default the "2NN" of McMahan, Moore, Ramage, Hampson,
// Aguera y Arcas (2017), "Communication-Efficient Learning of Deep Networks from Decentralized
// Data".
#include "models/model.h"

namespace flsim {
namespace {

class Mlp : public Model {
 public:
  struct Options : ModelOptions {
    std::vector<int64_t> hidden = {200, 200};
    template <class V>
    void Visit(V& v) {
      ModelOptions::Visit(v);
      v(hidden, "hidden", "Units of each hidden layer; an empty list makes the model linear.",
        Between(1, 16777216));
    }
  };
  Mlp(const Options& options, const Context&) : options_(options) {}

  std::vector<Choice<Layer>> Layers() const override {
    Json list = Json::array({"flatten"});
    int number = 1;
    for (const int64_t units : options_.hidden) {
      list.push_back(
          {{"name", "linear"}, {"id", "fc" + std::to_string(number++)}, {"features", units}});
      list.push_back("relu");
    }
    list.push_back({{"name", "linear"}, {"id", "fc" + std::to_string(number)}});
    return LayersFromJson(list);
  }
  const std::string& init() const override { return options_.init; }

 private:
  Options options_;
};

FLSIM_REGISTER(Model, Mlp, "mlp",
               "Fully connected network with ReLU; by default two layers of 200.");

}  // namespace
}  // namespace flsim
