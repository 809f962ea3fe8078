// A network written in the config: a list of layers.
#include "models/model.h"

namespace flsim {
namespace {

class Sequential : public Model {
 public:
  struct Options : ModelOptions {
    std::vector<Choice<Layer>> layers;
    template <class V>
    void Visit(V& v) {
      ModelOptions::Visit(v);
      v(layers, "layers", "The layers, first to last: names, or objects with a name and options.");
    }
    void Check(Problems& problems, const std::string& path) {
      if (layers.empty()) {
        problems.Add(JoinPath(path, "layers"),
                     "needs at least one layer, such as [\"flatten\", \"linear\"]");
      }
    }
  };
  Sequential(const Options& options, const Context&) : options_(options) {}

  std::vector<Choice<Layer>> Layers() const override { return options_.layers; }
  const std::string& init() const override { return options_.init; }

 private:
  Options options_;
};

FLSIM_REGISTER(Model, Sequential, "sequential", "A list of layers.");

}  // namespace
}  // namespace flsim
