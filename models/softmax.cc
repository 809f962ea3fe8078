// Softmax regression (multinomial logistic regression): one linear score for each class.
#include "engine/core/error.h"
#include "models/model.h"

namespace flsim {
namespace {

class Softmax : public Model {
 public:
  using Options = ModelOptions;
  Softmax(const Options& options, const Context& context) : options_(options) {
    if (context.facts.task != Task::kClassification) {
      throw ConfigError(
          "model: softmax is for classification, the data set's target is a number; use linear");
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

FLSIM_REGISTER(Model, Softmax, "softmax", "Softmax (multinomial logistic) regression.");

}  // namespace
}  // namespace flsim
