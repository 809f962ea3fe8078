// What strategies share whose formulas hold for local sgd.
#pragma once

#include <cstdint>
#include <string>

#include "engine/core/error.h"
#include "engine/core/vector_ops.h"
#include "strategies/client_task.h"
#include "strategies/training_options.h"

namespace flsim {

/// Refuses another local optimizer: "training.optimizer: STRATEGY needs sgd: WHY".
inline void RequireSgd(const TrainingOptions& training, const std::string& strategy,
                       const std::string& why) {
  if (training.optimizer != "sgd") {
    throw ConfigError("training.optimizer: " + strategy + " needs sgd: " + why);
  }
}
/// The reason of strategies with control variates.
inline std::string RescalesCorrections(const TrainingOptions& training) {
  return "it corrects each step by gradients of earlier rounds, which " + training.optimizer +
         " would rescale";
}

/// ||a||_1 of Wang et al. (2020, FedNova): d = (w0 - w) / lr after `steps` local steps of sgd on a
/// constant gradient of 1. Their number for plain sgd, sum (1 - b^k) / (1 - b) with momentum b, sum
/// (1 - lr mu)^k with a proximal term mu/2 ||w - w0||^2, and the exact recurrence with both.
inline double StepSum(const TrainingOptions& training, int64_t steps, double lr, double mu = 0) {
  double d = 0, m = 0;
  for (int64_t k = 0; k < steps; ++k) {
    m = training.momentum * m + (1 - mu * lr * d);
    d += m;
  }
  return d;
}

/// change = c_i+ - c_i = (w0 - w) / (K lr) - c, where `delta` is w0 - w and K the steps' ||a||_1:
/// how a client's control variate changes by option II of Karimireddy et al. (2020, SCAFFOLD).
inline void ControlVariateChange(const TrainingOptions& training, const ClientTask& task,
                                 const at::Tensor& delta, const at::Tensor& c,
                                 const at::Tensor& change) {
  SetScaled(change, 1 / (StepSum(training, task.steps, task.lr) * task.lr), delta);
  AddScaled(change, -1, c);
}

}  // namespace flsim
