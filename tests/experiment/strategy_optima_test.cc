// Where strategies end up, against closed forms in double precision: clients hold different
// least-squares problems, so that FedAvg's fixed point is not the optimum.
#include <catch2/catch.hpp>
#include <limits>

#include "tests/experiment/least_squares.h"

namespace flsim {
namespace {

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
  const VectorXd fixed = clients.Zero(clients.Deltas(10.0), true);
  CHECK(Distance(fixed, clients.Zero(clients.Deltas(), true)) > 1e-3);
  CHECK(Distance(Model(json, {{"name", "fedprox"}, {"mu", 10.0}}), fixed) < kFloat);
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
      VectorXd mean = VectorXd::Zero(clients.initial().size());
      double tau_eff = 0, examples = 0;
      for (size_t k = 0; k < clients.count(); ++k) {
        const auto steps = 2 * static_cast<int64_t>(std::ceil(clients.examples(k) / 8));
        double displacement = 0, velocity = 0;
        for (int64_t step = 0; step < steps; ++step) {
          velocity = momentum * velocity + 1 - mu * 0.02 * displacement;
          displacement += velocity;
        }
        normalized[k].A /= displacement;
        normalized[k].b /= displacement;
        mean += clients.examples(k) * (normalized[k].A * clients.initial() - normalized[k].b);
        tau_eff += clients.examples(k) * displacement;
        examples += clients.examples(k);
      }
      const Json fednova = {{"name", "fednova"}, {"mu", mu}};
      const VectorXd step = tau_eff / examples * mean / examples;
      CHECK((Model(With(json, {{"rounds", 1}}), fednova) - (clients.initial() - step)).norm() <
            1e-5 * step.norm());
      const VectorXd fixed = clients.Zero(normalized, true);
      CHECK(Distance(fixed, clients.Zero(plain, true)) > kVisible);
      CHECK(Distance(Model(json, fednova), fixed) < kFloat);
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
  for (const double alpha : {0.01, 2.0, 6.0, 18.0}) {
    const double moved = (Model(json, {{"name", "feddyn"}, {"alpha", alpha}}) - initial).norm();
    CHECK(moved < 0.95 * last);
    last = moved;
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
  // At the optimum g(w0) is 0 and so is every step, though no batch's own gradient is.
  const Json json =
      With(LeastSquares(),
           {{"partition.clients", 1}, {"sampler.cohort", 1}, {"training.batch_size", 32}});
  const Json mime = {{"name", "mime"}, {"beta", 0}};
  CHECK(Distance(Model(json, mime), Clients(json).Optimum(true)) < kFloat);
  CHECK(Distance(Model(json), Clients(json).Optimum(true)) > 1e-3);
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
  const Json json = With(LeastSquares(), {{"training.epochs", 1}, {"rounds", 2000}});
  const Clients clients(json);
  const double fedavg = clients.WorstLoss(Model(json));
  CHECK(clients.WorstLoss(Model(json, {{"name", "agnostic"}, {"lambda_lr", 3e-7}})) <
        0.95 * fedavg);
  // A cohort's worst client is not always there: small steps, for the last model to be settled.
  const Json half = With(json, {{"sampler.cohort", 3}, {"training.lr", 0.005}, {"rounds", 4000}});
  CHECK(clients.WorstLoss(Model(half, {{"name", "agnostic"}, {"lambda_lr", 1.2e-7}})) <
        0.95 * fedavg);
}

}  // namespace
}  // namespace flsim
