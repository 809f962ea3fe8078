// Where strategies end up, and single steps of theirs, against closed forms in double precision:
// clients hold different least-squares problems, so that FedAvg's fixed point is not the optimum.
#include <catch2/catch.hpp>
#include <limits>

#include "tests/experiment/least_squares.h"

namespace flsim {
namespace {

VectorXd Model(const Json& json) { return Clients::Vector(RunOnce(json).state.parameters); }

VectorXd Model(const Json& json, const Json& strategy) {
  return Model(With(json, {{"strategy", strategy}}));
}

/// The largest difference, relative to the largest element of `b`.
double Distance(const VectorXd& a, const VectorXd& b) {
  return (a - b).cwiseAbs().maxCoeff() / b.cwiseAbs().maxCoeff();
}

constexpr double kFloat = 2e-6;    ///< rounding of a fixed point
constexpr double kVisible = 1e-2;  ///< a difference that matters

const Json kUniform = {{"name", "mean"}, {"weighting", "uniform"}};

TEST_CASE("fedavg with several local steps stops at its own fixed point, not at the optimum") {
  const Json json = LeastSquares();
  const Clients clients(json);
  const VectorXd fixed = clients.Zero(clients.Deltas(), true);
  CHECK(Distance(fixed, clients.Optimum(true)) > kVisible);
  CHECK(Distance(Model(json), fixed) < kFloat);
  const Json uniform = With(json, {{"aggregator", kUniform}});
  CHECK(Distance(Model(uniform), clients.Zero(clients.Deltas(), false)) < kFloat);
  const Json momentum = With(json, {{"training.momentum", 0.5}});
  const Clients with_momentum(momentum);
  CHECK(Distance(Model(momentum), with_momentum.Zero(with_momentum.Deltas(), true)) < kFloat);
}

TEST_CASE("fedavg and fedsgd with one full-batch step reach the optimum") {
  const Json json = With(LeastSquares(), {{"training.epochs", 1}, {"rounds", 1000}});
  const VectorXd optimum = Clients(json).Optimum(true);
  CHECK(Distance(Model(json), optimum) < kFloat);
  CHECK(Distance(Model(json, "fedsgd"), optimum) < kFloat);
}

TEST_CASE("fedprox stops at its fixed point") {
  const Json json = LeastSquares();
  const Clients clients(json);
  const VectorXd fixed = clients.Zero(clients.Deltas(3.0), true);
  CHECK(Distance(fixed, clients.Zero(clients.Deltas(), true)) > 1e-3);
  CHECK(Distance(Model(json, {{"name", "fedprox"}, {"mu", 3.0}}), fixed) < kFloat);
}

TEST_CASE("fednova with unequal steps divides each client's update by what a unit gradient moves") {
  // A client on which every batch's gradient is 1 moves by lr ||a||_1: the recurrence, by hand.
  for (const double momentum : {0.0, 0.5}) {
    for (const double mu : {0.0, 3.0}) {
      INFO("momentum " << momentum << ", mu " << mu);
      const Json json = With(LeastSquares(), {{"training.batch_size", 8},
                                              {"training.epochs", 2},
                                              {"training.lr", 0.02},
                                              {"training.momentum", momentum}});
      const Clients clients(json);
      std::vector<AffineMap> plain = clients.Deltas(mu), normalized = plain;
      for (size_t k = 0; k < clients.count(); ++k) {
        const auto steps = 2 * static_cast<int64_t>(std::ceil(clients.examples(k) / 8));
        double displacement = 0, velocity = 0;
        for (int64_t step = 0; step < steps; ++step) {
          velocity = momentum * velocity + 1 - mu * 0.02 * displacement;
          displacement += velocity;
        }
        normalized[k].A /= displacement;
        normalized[k].b /= displacement;
      }
      const VectorXd fixed = clients.Zero(normalized, true);
      CHECK(Distance(fixed, clients.Zero(plain, true)) > kVisible);
      CHECK(Distance(Model(json, {{"name", "fednova"}, {"mu", mu}}), fixed) < kFloat);
    }
  }
}

TEST_CASE("scaffold reaches the optimum of the plain mean, whatever the weights of the models") {
  const Json json = LeastSquares();
  const VectorXd optimum = Clients(json).Optimum(false);
  CHECK(Distance(Clients(json).Optimum(true), optimum) > kVisible);
  for (const int option : {1, 2}) {
    const Json scaffold = {{"name", "scaffold"}, {"option", option}};
    CHECK(Distance(Model(json, scaffold), optimum) < kFloat);
    CHECK(Distance(Model(With(json, {{"aggregator", kUniform}}), scaffold), optimum) < kFloat);
    CHECK(Distance(Model(With(json, {{"sampler.cohort", 3}, {"rounds", 2000}}), scaffold),
                   optimum) < kFloat);
    const Json momentum = With(json, {{"training.momentum", 0.5}, {"training.lr", 0.02}});
    CHECK(Distance(Model(momentum, scaffold), optimum) < kFloat);
  }
}

TEST_CASE("feddyn reaches the optimum that the aggregator's weights define, for every alpha") {
  const Json json = LeastSquares();
  const Clients clients(json);
  for (const double alpha : {0.5, 2.0, 10.0}) {
    INFO("alpha " << alpha);
    const Json feddyn = {{"name", "feddyn"}, {"alpha", alpha}};
    CHECK(Distance(Model(json, feddyn), clients.Optimum(true)) < kFloat);
    CHECK(Distance(Model(With(json, {{"aggregator", kUniform}}), feddyn), clients.Optimum(false)) <
          kFloat);
    CHECK(Distance(Model(With(json, {{"sampler.cohort", 3}, {"rounds", 3000}}), feddyn),
                   clients.Optimum(true)) < kFloat);
  }
  CHECK(
      Distance(Model(With(json, {{"training.momentum", 0.5}}), {{"name", "feddyn"}, {"alpha", 2}}),
               clients.Optimum(true)) < kFloat);
}

TEST_CASE("the larger feddyn's alpha, the less clients move") {
  const Json json = With(LeastSquares(), {{"rounds", 1}});
  const VectorXd initial = Clients(json).initial();
  double last = std::numeric_limits<double>::infinity();
  for (const double alpha : {0.01, 1.0, 5.0, 15.0}) {
    const double moved = (Model(json, {{"name", "feddyn"}, {"alpha", alpha}}) - initial).norm();
    CHECK(moved < 0.95 * last);
    last = alpha == 0.01 ? moved * 1.05 : moved;
  }
}

TEST_CASE("feddc reaches the optimum, with all clients and with half of them") {
  const Json json = LeastSquares();
  const VectorXd optimum = Clients(json).Optimum(true);
  for (const double alpha : {0.2, 2.0}) {
    const Json feddc = {{"name", "feddc"}, {"alpha", alpha}};
    CHECK(Distance(Model(json, feddc), optimum) < kFloat);
    CHECK(Distance(Model(With(json, {{"sampler.cohort", 3}, {"rounds", 3000}}), feddc), optimum) <
          kFloat);
    CHECK(Distance(Model(With(json, {{"training.momentum", 0.5}, {"training.lr", 0.02}}), feddc),
                   optimum) < kFloat);
  }
}

TEST_CASE("mime reaches the optimum, and mimelite without its correction does not") {
  const Json json = LeastSquares();
  const Clients clients(json);
  for (const double beta : {0.0, 0.9}) {
    const Json mime = {{"name", "mime"}, {"beta", beta}};
    CHECK(Distance(Model(json, mime), clients.Optimum(true)) < kFloat);
    CHECK(Distance(Model(With(json, {{"aggregator", kUniform}}), mime), clients.Optimum(false)) <
          kFloat);
  }
  const VectorXd lite = Model(json, {{"name", "mimelite"}, {"beta", 0.5}});
  CHECK(Distance(lite, clients.Optimum(true)) > 1e-3);
}

TEST_CASE("mime with minibatches of one client corrects each by the full gradient, as SVRG does") {
  // Every step is lr (g_B(w) - g_B(w0) + g(w0)); for least squares that is affine too.
  const Json json =
      With(LeastSquares(),
           {{"partition.clients", 1}, {"sampler.cohort", 1}, {"training.batch_size", 32}});
  const Json mime = {{"name", "mime"}, {"beta", 0}};
  CHECK(Distance(Model(json, mime), Clients(json).Optimum(true)) < kFloat);
  CHECK(Distance(Model(json), Clients(json).Optimum(true)) > 1e-3);
}

TEST_CASE("one round of qfedavg is the paper's formula") {
  const Json json = With(LeastSquares(), {{"rounds", 1}});
  const Clients clients(json);
  const VectorXd w0 = clients.initial();
  for (const double q : {0.5, 1.0, 2.0}) {
    for (const double lipschitz : {20.0, 3.0}) {
      VectorXd numerator = VectorXd::Zero(w0.size());
      double denominator = 0;
      for (size_t k = 0; k < clients.count(); ++k) {
        const AffineMap local = clients.Delta(k);
        const VectorXd step = lipschitz * (local.A * w0 - local.b);
        const double loss = clients.Loss(k, w0), p = clients.examples(k);
        numerator += p * std::pow(loss, q) * step;
        denominator +=
            p * (q * std::pow(loss, q - 1) * step.squaredNorm() + lipschitz * std::pow(loss, q));
      }
      const VectorXd expected = w0 - numerator / denominator;
      const VectorXd w = Model(json, {{"name", "qfedavg"}, {"q", q}, {"lipschitz", lipschitz}});
      CHECK((w - expected).norm() < 1e-5 * (expected - w0).norm());
    }
  }
}

TEST_CASE("the larger q, the closer qfedavg brings the clients' losses together") {
  const Json json = With(LeastSquares(), {{"rounds", 3000}});
  const Clients clients(json);
  double last = clients.Spread(Model(json));
  for (const double q : {1.0, 3.0}) {
    const double spread = clients.Spread(Model(json, {{"name", "qfedavg"}, {"q", q}}));
    CHECK(spread < 0.95 * last);
    last = spread;
  }
}

TEST_CASE("agnostic lowers the worst client's loss below fedavg's") {
  const Clients clients(LeastSquares());
  const Json json = With(LeastSquares(), {{"rounds", 1500}});
  const double fedavg = clients.WorstLoss(Model(json));
  const Json agnostic = {{"name", "agnostic"}, {"lambda_lr", 3e-6}};
  CHECK(clients.WorstLoss(Model(json, agnostic)) < 0.95 * fedavg);
  CHECK(clients.WorstLoss(Model(With(json, {{"sampler.cohort", 3}}), agnostic)) < fedavg);
}

TEST_CASE("one round of fedexp is the paper's step size, at least 1") {
  const Json json = With(LeastSquares(), {{"rounds", 1}});
  const Clients clients(json);
  const VectorXd w0 = clients.initial();
  VectorXd mean = VectorXd::Zero(w0.size());
  double squares = 0, examples = 0;
  for (size_t k = 0; k < clients.count(); ++k) {
    const AffineMap local = clients.Delta(k);
    const VectorXd delta = local.A * w0 - local.b;
    mean += clients.examples(k) * delta;
    squares += clients.examples(k) * delta.squaredNorm();
    examples += clients.examples(k);
  }
  mean /= examples;
  for (const double epsilon : {0.0, 10.0}) {
    const double eta = std::max(1.0, squares / examples / (2 * (mean.squaredNorm() + epsilon)));
    const VectorXd w = Model(json, {{"name", "fedexp"}, {"epsilon", epsilon}});
    CHECK((w - (w0 - eta * mean)).norm() < 1e-5 * mean.norm());
  }
  // Near fedavg's fixed point clients pull apart, and the step grows.
  const Json from_near = With(LeastSquares(), {{"rounds", 8}});
  CHECK(Distance(Model(from_near, {{"name", "fedexp"}, {"epsilon", 0}}), Model(from_near)) > 1e-3);
}

}  // namespace
}  // namespace flsim
