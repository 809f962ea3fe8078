#include "models/model.h"

#include "engine/core/error.h"

namespace flsim {

void RequireImages(const std::string& model, const DatasetFacts& facts) {
  if (facts.input_shape.size() == 3) return;
  std::string shape;
  for (const int64_t size : facts.input_shape) {
    shape += (shape.empty() ? "" : ", ") + std::to_string(size);
  }
  throw ConfigError("model: " + model +
                    " needs images [channels, height, width], the data set gives [" + shape + "]");
}

}  // namespace flsim
