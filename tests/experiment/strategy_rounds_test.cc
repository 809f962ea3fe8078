// Rounds of strategies against the papers' formulas in double precision.
#include <catch2/catch.hpp>

#include "tests/experiment/least_squares.h"

namespace flsim {
namespace {

constexpr int kRounds = 6;
constexpr double kLr = 0.02;
constexpr int kSteps = 5;

/// Rounds with half of the clients in each.
Json HalfCohorts() {
  return With(LeastSquares(), {{"sampler.cohort", 3}, {"rounds", kRounds}, {"training.lr", kLr}});
}

struct ObservedRun {
  VectorXd model;
  std::vector<std::vector<int64_t>> cohorts;  ///< of rounds 1, 2, ...
};

ObservedRun Observe(const Json& json, const Json& strategy) {
  const TempFolder folder;
  ObservedRun run;
  run.model =
      Clients::Vector(RunIn(folder / "run", With(json, {{"strategy", strategy}})).state.parameters);
  for (const Json& record : RoundsWithoutTimes(folder / "run")) {
    if (record.at("round") > 0) run.cohorts.push_back(record.at("cohort"));
  }
  return run;
}

/// Local sgd from w0 with a corrected gradient, and how far a constant unit gradient would go.
struct Local {
  VectorXd w;
  double a = 0;  ///< ||a||_1
};
Local Train(const VectorXd& w0, double momentum,
            const std::function<VectorXd(const VectorXd&)>& gradient) {
  Local local{w0};
  VectorXd m = VectorXd::Zero(w0.size());
  double unit = 0;
  for (int step = 0; step < kSteps; ++step) {
    m = momentum * m + gradient(local.w);
    unit = momentum * unit + 1;
    local.w -= kLr * m;
    local.a += unit;
  }
  return local;
}

/// The distance between two models relative to how far the second is from the initial one.
double Error(const VectorXd& w, const VectorXd& expected, const Clients& clients) {
  return (w - expected).norm() / (expected - clients.initial()).norm();
}

TEST_CASE("scaffold's rounds are the paper's, K counting what momentum adds to each gradient") {
  for (const double momentum : {0.0, 0.5}) {
    for (const int option : {1, 2}) {
      INFO("momentum " << momentum << ", option " << option);
      const Json json = With(HalfCohorts(), {{"training.momentum", momentum}});
      const ObservedRun run = Observe(json, {{"name", "scaffold"}, {"option", option}});
      const Clients clients(json);
      VectorXd w0 = clients.initial(), c = VectorXd::Zero(w0.size());
      std::vector<VectorXd> c_i(clients.count(), c);
      for (const auto& cohort : run.cohorts) {
        VectorXd step = VectorXd::Zero(w0.size()), change = step;
        double examples = 0;
        for (const int64_t client : cohort) {
          const auto k = static_cast<size_t>(client);
          const Local local = Train(w0, momentum, [&](const VectorXd& w) -> VectorXd {
            return clients.Gradient(k, w) - c_i[k] + c;
          });
          const VectorXd next = option == 1
                                    ? clients.Gradient(k, w0)
                                    : VectorXd(c_i[k] - c + (w0 - local.w) / (local.a * kLr));
          change += next - c_i[k];
          c_i[k] = next;
          step += clients.examples(k) * (local.w - w0);
          examples += clients.examples(k);
        }
        w0 += step / examples;
        c += change / 6;
      }
      CHECK(Error(run.model, w0, clients) < 1e-5);
    }
  }
}

TEST_CASE("feddyn's rounds are the paper's, averages weighted by examples") {
  const double alpha = 2;
  const ObservedRun run = Observe(HalfCohorts(), {{"name", "feddyn"}, {"alpha", alpha}});
  const Clients clients(HalfCohorts());
  double all = 0;
  for (size_t k = 0; k < clients.count(); ++k) all += clients.examples(k);
  VectorXd w0 = clients.initial(), h = VectorXd::Zero(w0.size());
  std::vector<VectorXd> g(clients.count(), h);
  for (const auto& cohort : run.cohorts) {
    VectorXd mean = VectorXd::Zero(w0.size());
    double examples = 0;
    for (const int64_t client : cohort) {
      const auto k = static_cast<size_t>(client);
      const Local local = Train(w0, 0, [&](const VectorXd& w) -> VectorXd {
        return clients.Gradient(k, w) - g[k] + alpha * (w - w0);
      });
      g[k] -= alpha * (local.w - w0);
      h -= alpha * clients.examples(k) / all * (local.w - w0);
      mean += clients.examples(k) * local.w;
      examples += clients.examples(k);
    }
    w0 = mean / examples - h / alpha;
  }
  CHECK(Error(run.model, w0, clients) < 1e-5);
}

TEST_CASE("feddc's rounds are its authors', averages weighted by examples") {
  const double alpha = 2;
  for (const double momentum : {0.0, 0.5}) {
    const Json json = With(HalfCohorts(), {{"training.momentum", momentum}});
    const ObservedRun run = Observe(json, {{"name", "feddc"}, {"alpha", alpha}});
    const Clients clients(json);
    double all = 0;
    for (size_t k = 0; k < clients.count(); ++k) all += clients.examples(k);
    VectorXd w0 = clients.initial(), c = VectorXd::Zero(w0.size());
    std::vector<VectorXd> c_i(clients.count(), c), h_i = c_i;
    for (const auto& cohort : run.cohorts) {
      VectorXd mean = VectorXd::Zero(w0.size()), change = mean, drift = mean;
      double examples = 0;
      for (const int64_t client : cohort) {
        const auto k = static_cast<size_t>(client);
        const Local local = Train(w0, momentum, [&](const VectorXd& w) -> VectorXd {
          return clients.Gradient(k, w) + alpha * (h_i[k] + w - w0) + c - c_i[k];
        });
        h_i[k] += local.w - w0;
        const VectorXd next = c_i[k] - c + (w0 - local.w) / (local.a * kLr);
        change += clients.examples(k) / all * (next - c_i[k]);
        c_i[k] = next;
        mean += clients.examples(k) * local.w;
        examples += clients.examples(k);
      }
      for (size_t k = 0; k < clients.count(); ++k) drift += clients.examples(k) / all * h_i[k];
      w0 = mean / examples + drift;
      c += change;
    }
    CHECK(Error(run.model, w0, clients) < 1e-5);
  }
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

TEST_CASE("one round of agnostic moves its weights along the sampled clients' losses") {
  // Small steps stay inside the simplex, where projecting takes the cohort's mean away.
  const double lambda_lr = 1e-6;
  for (const int cohort : {6, 3}) {
    const Json json =
        With(LeastSquares(), {{"rounds", 1},
                              {"sampler.cohort", cohort},
                              {"strategy", {{"name", "agnostic"}, {"lambda_lr", lambda_lr}}}});
    const Clients clients(json);
    const TempFolder folder;
    const RunResult run = RunIn(folder / "run", json);
    VectorXd expected = VectorXd::Constant(6, 1.0 / 6);
    const Json members = RoundsWithoutTimes(folder / "run").back().at("cohort");
    REQUIRE(members.size() == static_cast<size_t>(cohort));
    double mean = 0;
    for (const int64_t k : members)
      mean += clients.Loss(static_cast<size_t>(k), clients.initial()) / cohort;
    for (const int64_t k : members) {
      expected(k) += cohort / 6.0 * lambda_lr *
                     (clients.Loss(static_cast<size_t>(k), clients.initial()) - mean);
    }
    REQUIRE(expected.minCoeff() > 0);
    const VectorXd lambda = Clients::Vector(run.state.tensors.at("agnostic.lambda"));
    CHECK((lambda - expected).cwiseAbs().maxCoeff() < 1e-6);
    CHECK((lambda.array() - 1.0 / 6).abs().maxCoeff() > 1e-4);
  }
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
