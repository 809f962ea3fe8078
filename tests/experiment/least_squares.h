// Least-squares problems of several clients, and what local training makes of them in closed form.
#pragma once

#include <algorithm>
#include <cmath>
#include <eigen3/Eigen/Dense>
#include <functional>
#include <vector>

#include "tests/experiment/run_json.h"

namespace flsim {

using Eigen::MatrixXd;
using Eigen::VectorXd;

/// Six clients of 8 to 46 examples, all in every round, with much noise.
inline Json LeastSquares() {
  return With(
      SmallRegression(),
      {{"dataset",
        {{"name", "synthetic_regression"}, {"examples", 200}, {"features", 5}, {"noise", 150.0}}},
       {"partition", {{"name", "linear"}, {"clients", 6}}},
       {"sampler.cohort", 6},
       {"training", {{"batch_size", 0}, {"epochs", 5}, {"lr", 0.05}, {"shuffle", false}}},
       {"evaluation.every", 0},
       {"rounds", 400}});
}

/// delta = A w0 - b: what a client's local training does to the global model.
struct AffineMap {
  MatrixXd A;
  VectorXd b;
};

/// The clients' data; the model is the coefficients and, last, the bias.
class Clients {
 public:
  explicit Clients(const Json& json) : training_(json.at("training")) {
    Experiment experiment(json, "test.json");
    experiment.Load();
    initial_ = Vector(experiment.InitialState().parameters);
    const Partition& partition = experiment.partition();
    for (int64_t k = 0; k < partition.clients(); ++k) {
      const int64_t n = partition.size(k);
      Batch batch(c10::Device(c10::kCPU));
      experiment.dataset().Gather(Split::kTrain, partition.begin(k), n, nullptr, batch);
      MatrixXd x = MatrixXd::Ones(n, initial_.size());
      VectorXd y(n);
      for (int64_t i = 0; i < n; ++i) {
        for (int64_t j = 0; j + 1 < x.cols(); ++j)
          x(i, j) = double{batch.input_data()[i * (x.cols() - 1) + j]};
        y(i) = double{batch.target_values()[i]};
      }
      x_.push_back(x);
      y_.push_back(y);
    }
  }

  static VectorXd Vector(const at::Tensor& t) {
    return Eigen::Map<const Eigen::VectorXf>(t.const_data_ptr<float>(), t.numel()).cast<double>();
  }

  size_t count() const { return x_.size(); }
  const VectorXd& initial() const { return initial_; }
  /// n_k
  double examples(size_t k) const { return static_cast<double>(y_[k].size()); }
  /// F_k: the mean squared error.
  double Loss(size_t k, const VectorXd& w) const {
    return (x_[k] * w - y_[k]).squaredNorm() / examples(k);
  }
  double WorstLoss(const VectorXd& w) const {
    double worst = 0;
    for (size_t k = 0; k < count(); ++k) worst = std::max(worst, Loss(k, w));
    return worst;
  }
  /// Standard deviation of the losses over clients.
  double Spread(const VectorXd& w) const {
    VectorXd losses(static_cast<int64_t>(count()));
    for (size_t k = 0; k < count(); ++k) losses(static_cast<int64_t>(k)) = Loss(k, w);
    return std::sqrt((losses.array() - losses.mean()).square().mean());
  }

  /// The gradient of F_k.
  VectorXd Gradient(size_t k, const VectorXd& w) const {
    return 2 / examples(k) * x_[k].transpose() * (x_[k] * w - y_[k]);
  }

  /// The minimum of sum_k F_k, or weighted by examples.
  VectorXd Optimum(bool by_examples) const {
    std::vector<AffineMap> gradients;
    for (size_t k = 0; k < count(); ++k) gradients.push_back(Gradient(k, 0, y_[k].size()));
    return Zero(gradients, by_examples);
  }

  /// Local sgd with momentum and a proximal term: steps in the order of the partition.
  AffineMap Delta(size_t k, double mu = 0) const {
    const int64_t n = y_[k].size(), d = initial_.size();
    const double lr = training_.at("lr"), momentum = training_.value("momentum", 0.0);
    const int64_t batch_size = training_.at("batch_size"), epochs = training_.at("epochs");
    const int64_t batch = batch_size == 0 ? n : batch_size;
    AffineMap delta = {MatrixXd::Zero(d, d), VectorXd::Zero(d)}, m = delta;
    for (int64_t epoch = 0; epoch < epochs; ++epoch) {
      for (int64_t first = 0; first < n; first += batch) {
        const AffineMap g = Gradient(k, first, std::min(batch, n - first));
        // At w = w0 - delta the gradient is g.A (w0 - delta) - g.b - mu delta.
        m.A = momentum * m.A + g.A * (MatrixXd::Identity(d, d) - delta.A) - mu * delta.A;
        m.b = momentum * m.b + g.b - g.A * delta.b - mu * delta.b;
        delta.A += lr * m.A;
        delta.b += lr * m.b;
      }
    }
    return delta;
  }

  std::vector<AffineMap> Deltas(double mu = 0) const {
    std::vector<AffineMap> deltas;
    for (size_t k = 0; k < count(); ++k) deltas.push_back(Delta(k, mu));
    return deltas;
  }

  /// Where sum_k p_k maps_k is zero.
  VectorXd Zero(const std::vector<AffineMap>& maps, bool by_examples) const {
    const int64_t d = initial_.size();
    MatrixXd A = MatrixXd::Zero(d, d);
    VectorXd b = VectorXd::Zero(d);
    for (size_t k = 0; k < maps.size(); ++k) {
      const double weight = by_examples ? examples(k) : 1;
      A += weight * maps[k].A;
      b += weight * maps[k].b;
    }
    return A.fullPivLu().solve(b);
  }

 private:
  /// The gradient of a batch: A w - b.
  AffineMap Gradient(size_t k, int64_t first, int64_t n) const {
    const MatrixXd x = x_[k].middleRows(first, n);
    const double factor = 2 / static_cast<double>(n);
    return {factor * x.transpose() * x, factor * x.transpose() * y_[k].segment(first, n)};
  }

  Json training_;
  VectorXd initial_;
  std::vector<MatrixXd> x_;
  std::vector<VectorXd> y_;
};

inline VectorXd Model(const Json& json) { return Clients::Vector(RunOnce(json).state.parameters); }

inline VectorXd Model(const Json& json, const Json& strategy) {
  return Model(With(json, {{"strategy", strategy}}));
}

/// The largest difference, relative to the largest element of `b`.
inline double Distance(const VectorXd& a, const VectorXd& b) {
  return (a - b).cwiseAbs().maxCoeff() / b.cwiseAbs().maxCoeff();
}

}  // namespace flsim
