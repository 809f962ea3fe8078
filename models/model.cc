#include "models/model.h"

#include "engine/core/error.h"

namespace flsim {

void RequireImages(const std::string& model, const DatasetFacts& facts) {
  if (facts.input_shape.size() == 3) return;
  throw ConfigError("model: " + model +
                    " needs images [channels, height, width], the data set gives [" +
                    ShapeText(facts.input_shape) + "]");
}

}  // namespace flsim
