// How far local steps carry.
#pragma once

#include <cstdint>

#include "strategies/training_options.h"

namespace flsim {

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

}  // namespace flsim
