#include <cmath>

#include "engine/core/error.h"
#include "models/backends/backends.h"

namespace flsim {

EvaluationSums SumLosses(const Network& network, int64_t n, const float* outputs,
                         const int64_t* labels, const float* targets) {
  EvaluationSums sums;
  sums.examples = n;
  if (network.task == Task::kRegression) {
    for (int64_t i = 0; i < n; ++i) {
      const double residual = static_cast<double>(outputs[i]) - targets[i];
      sums.loss += residual * residual;
    }
    return sums;
  }
  const int64_t classes = network.outputs;
  for (int64_t i = 0; i < n; ++i, outputs += classes) {
    const int64_t label = labels[i];
    FLSIM_CHECK(label >= 0 && label < classes, label, classes);
    int64_t best = 0;
    for (int64_t c = 1; c < classes; ++c) {
      if (outputs[c] > outputs[best]) best = c;
    }
    const double max = outputs[best];
    double sum = 0;
    for (int64_t c = 0; c < classes; ++c) sum += std::exp(outputs[c] - max);
    sums.loss += std::log(sum) + max - outputs[label];
    sums.correct += best == label ? 1 : 0;
  }
  return sums;
}

}  // namespace flsim
