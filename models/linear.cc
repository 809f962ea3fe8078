// Linear regression: one prediction, linear in the features.
#include "engine/core/error.h"
#include "models/model.h"

namespace flsim {
namespace {

class LinearModel : public Model {
 public:
  using Options = ModelOptions;
  LinearModel(const Options& options, const Context& context) : options_(options) {
    if (context.facts.task != Task::kRegression) {
      throw ConfigError("model: linear is for regression, the data set has classes; use softmax");
    }
  }

  std::vector<Choice<Layer>> Layers() const override {
    return LayersFromJson(Json::parse(R"([
      "flatten",
      {"name": "linear", "id": "linear"}
    ])"));
  }
  const std::string& init() const override { return options_.init; }

 private:
  Options options_;
};

FLSIM_REGISTER(Model, LinearModel, "linear", "Linear regression.");

}  // namespace
}  // namespace flsim
