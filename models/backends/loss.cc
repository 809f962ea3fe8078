#include <cmath>
#include <eigen3/Eigen/Core>

#include "engine/core/error.h"
#include "models/backends/backends.h"

namespace flsim {

EvaluationSums SumLosses(const Network& network, const Outputs& outputs) {
  EvaluationSums sums;
  sums.examples = outputs.n;
  const float* z = outputs.values;
  if (network.task == Task::kRegression) {
    for (int64_t i = 0; i < outputs.n; ++i, z += outputs.stride) {
      const double residual = static_cast<double>(*z) - outputs.targets[i];
      sums.loss += residual * residual;
    }
    return sums;
  }
  const int64_t classes = network.outputs;
  for (int64_t i = 0; i < outputs.n; ++i, z += outputs.stride) {
    const int64_t label = outputs.labels[i];
    FLSIM_CHECK(label >= 0 && label < classes, label, classes);
    int64_t best = 0;
    for (int64_t c = 1; c < classes; ++c) {
      if (z[c] > z[best]) best = c;
    }
    const double max = z[best];
    double sum = 0;
    for (int64_t c = 0; c < classes; ++c) sum += std::exp(z[c] - max);
    sums.loss += std::log(sum) + max - z[label];
    sums.correct += best == label ? 1 : 0;
  }
  return sums;
}

namespace {

/// d = 2 (z - y) / batch
double SquaredErrorGradient(const Outputs& outputs, int64_t batch, float* d) {
  const float factor = 2.0f / static_cast<float>(batch);
  const float* z = outputs.values;
  double sum = 0;
  for (int64_t i = 0; i < outputs.n; ++i, z += outputs.stride, d += outputs.stride) {
    const float residual = *z - outputs.targets[i];
    sum += static_cast<double>(residual) * residual;
    *d = factor * residual;
  }
  return sum;
}

/// d = (softmax(z) - onehot(y)) / batch
double CrossEntropyGradient(int64_t classes, const Outputs& outputs, int64_t batch, float* d) {
  const float factor = 1.0f / static_cast<float>(batch);
  const float* z = outputs.values;
  double sum = 0;
  for (int64_t i = 0; i < outputs.n; ++i, z += outputs.stride, d += outputs.stride) {
    const int64_t label = outputs.labels[i];
    FLSIM_CHECK(label >= 0 && label < classes, label, classes);
    const Eigen::Map<const Eigen::ArrayXf> scores(z, classes);
    Eigen::Map<Eigen::ArrayXf> row(d, classes);
    const float max = scores.maxCoeff();
    const float own = z[label];
    row = (scores - max).exp();
    const float total = row.sum();
    sum += std::log(total) + (max - own);
    row *= factor / total;
    d[label] -= factor;
  }
  return sum;
}

}  // namespace

double LossGradient(const Network& network, const Outputs& outputs, int64_t batch,
                    float* gradient) {
  return network.task == Task::kRegression
             ? SquaredErrorGradient(outputs, batch, gradient)
             : CrossEntropyGradient(network.outputs, outputs, batch, gradient);
}

}  // namespace flsim
