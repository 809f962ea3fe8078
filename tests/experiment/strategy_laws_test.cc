// What strategies are when a setting turns them off, and the first rounds that they share: to the
// bit unless a tolerance says otherwise, each with its converse.
#include <catch2/catch.hpp>

#include "tests/experiment/run_json.h"

namespace flsim {
namespace {

at::Tensor Model(const Json& json) { return RunOnce(json).state.parameters; }

Json WithStrategy(const Json& json, const Json& strategy) {
  return With(json, {{"strategy", strategy}});
}

std::string Refusal(const Json& json) {
  try {
    Experiment(json, "test.json");
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

/// All of a small population in every round.
Json FullParticipation() { return With(SmallRegression(), {{"sampler.cohort", 12}}); }

const std::vector<std::pair<std::string, Json>> kFullBatch = {{"training.batch_size", 0},
                                                              {"training.shuffle", false}};

TEST_CASE("scaffold's first round is fedavg, and its second is not") {
  for (const double momentum : {0.0, 0.5}) {
    const Json json = With(FullParticipation(), {{"training.momentum", momentum}});
    for (const int option : {1, 2}) {
      const Json scaffold = {{"name", "scaffold"}, {"option", option}};
      CHECK(SameBits(Model(With(WithStrategy(json, scaffold), {{"rounds", 1}})),
                     Model(With(json, {{"rounds", 1}}))));
      CHECK(RelativeDifference(Model(With(WithStrategy(json, scaffold), {{"rounds", 2}})),
                               Model(With(json, {{"rounds", 2}}))) > 1e-3);
    }
  }
}

TEST_CASE("scaffold with one client is fedavg, as its control variate is the server's") {
  const Json json = With(SmallRegression(), {{"partition.clients", 1}, {"sampler.cohort", 1}});
  CHECK(SameBits(Model(WithStrategy(json, "scaffold")), Model(json)));
  const Json first = WithStrategy(json, {{"name", "scaffold"}, {"option", 1}});
  CHECK(SameBits(Model(first), Model(json)));
}

TEST_CASE("scaffold's options agree where local training is one full-batch step") {
  const Json json = With(With(SmallRegression(), kFullBatch), {{"rounds", 6}});
  const at::Tensor first = Model(WithStrategy(json, {{"name", "scaffold"}, {"option", 1}}));
  const at::Tensor second = Model(WithStrategy(json, {{"name", "scaffold"}, {"option", 2}}));
  CHECK(RelativeDifference(first, second) < 1e-5);
  CHECK(RelativeDifference(first, Model(json)) > 1e-3);
  const auto epochs = [&](int option) {
    return Model(With(WithStrategy(json, {{"name", "scaffold"}, {"option", option}}),
                      {{"training.epochs", 3}}));
  };
  CHECK(RelativeDifference(epochs(1), epochs(2)) > 1e-3);
}

TEST_CASE("fednova is fedavg when clients take equally many steps, and only then") {
  const auto difference = [](const std::vector<std::pair<std::string, Json>>& changes) {
    const Json json = With(SmallRegression(), changes);
    return RelativeDifference(Model(WithStrategy(json, "fednova")), Model(json));
  };
  CHECK(difference({{"training.steps", 7}}) < 1e-5);
  CHECK(difference({{"training.steps", 7}, {"training.momentum", 0.9}}) < 1e-5);
  CHECK(difference({{"training.epochs", 2}}) > 1e-3);
  // Dividing by four steps and multiplying by them again rounds nothing.
  const Json four = With(SmallRegression(), {{"training.steps", 4}});
  CHECK(SameBits(Model(WithStrategy(four, "fednova")), Model(four)));
}

TEST_CASE("fednova's proximal term is fedprox's when clients take equally many steps") {
  for (const double momentum : {0.0, 0.5}) {
    const Json json =
        With(SmallRegression(), {{"training.steps", 7}, {"training.momentum", momentum}});
    const at::Tensor fedprox = Model(WithStrategy(json, {{"name", "fedprox"}, {"mu", 3.0}}));
    const at::Tensor fednova = Model(WithStrategy(json, {{"name", "fednova"}, {"mu", 3.0}}));
    CHECK(RelativeDifference(fednova, fedprox) < 1e-5);
    CHECK(RelativeDifference(fednova, Model(json)) > 1e-3);
  }
}

TEST_CASE("feddyn's first round with a vanishing alpha is a fedavg step of twice the length") {
  // h / alpha is then the aggregate once more; share is 1.
  const Json json = With(FullParticipation(), {{"rounds", 1}});
  const at::Tensor twice = Model(With(json, {{"server_optimizer.lr", 2}}));
  CHECK(RelativeDifference(Model(WithStrategy(json, {{"name", "feddyn"}, {"alpha", 1e-6}})),
                           twice) < 1e-5);
  CHECK(RelativeDifference(Model(WithStrategy(json, {{"name", "feddyn"}, {"alpha", 5.0}})), twice) >
        1e-3);
}

TEST_CASE("feddc's first round is feddyn's, to rounding, and its second is not") {
  const auto difference = [](int rounds) {
    const Json json = With(SmallRegression(), {{"rounds", rounds}});
    return RelativeDifference(Model(WithStrategy(json, {{"name", "feddc"}, {"alpha", 0.5}})),
                              Model(WithStrategy(json, {{"name", "feddyn"}, {"alpha", 0.5}})));
  };
  CHECK(difference(1) < 1e-5);
  CHECK(difference(12) > 1e-3);
}

TEST_CASE("qfedavg with q 0 is fedavg, whatever the Lipschitz constant, and with q above 0 not") {
  const Json json = SmallRegression();
  const at::Tensor fedavg = Model(json);
  CHECK(SameBits(fedavg, Model(WithStrategy(json, {{"name", "qfedavg"}, {"q", 0}}))));
  CHECK(SameBits(fedavg,
                 Model(WithStrategy(json, {{"name", "qfedavg"}, {"q", 0}, {"lipschitz", 3.0}}))));
  const at::Tensor fair = Model(WithStrategy(json, {{"name", "qfedavg"}, {"q", 1}}));
  CHECK(RelativeDifference(fair, fedavg) > 1e-3);
  // By default L is 1 / training.lr.
  CHECK(SameBits(
      fair, Model(WithStrategy(json, {{"name", "qfedavg"}, {"q", 1}, {"lipschitz", 1 / 0.02}}))));
  CHECK_FALSE(SameBits(
      fair, Model(WithStrategy(json, {{"name", "qfedavg"}, {"q", 1}, {"lipschitz", 10.0}}))));
}

TEST_CASE("fedsgd is fedavg with one full batch, whatever batches are configured") {
  const std::vector<std::pair<std::string, Json>> options = {
      {"training.weight_decay", 0.1}, {"training.clip_norm", 20.0}, {"rounds", 5}};
  const Json json = With(SmallRegression(), options);
  const at::Tensor full = Model(With(json, kFullBatch));
  const at::Tensor fedsgd = Model(WithStrategy(json, "fedsgd"));
  CHECK(RelativeDifference(fedsgd, full) < 1e-6);
  CHECK(RelativeDifference(Model(json), full) > 1e-3);
  for (const auto& option : {"training.weight_decay", "training.clip_norm"})
    CHECK(RelativeDifference(Model(With(WithStrategy(json, "fedsgd"), {{option, 0}})), full) >
          1e-4);
}

TEST_CASE("agnostic whose weights stay equal is fedavg with uniform weights") {
  // Of 8 clients each weighs 1/8, a power of two, so products round as with weight 1.
  const Json json = With(SmallRegression(), {{"partition.clients", 8}});
  const at::Tensor uniform =
      Model(With(json, {{"aggregator", {{"name", "mean"}, {"weighting", "uniform"}}}}));
  const auto agnostic = [&](double lr) {
    return Model(WithStrategy(json, {{"name", "agnostic"}, {"lambda_lr", lr}}));
  };
  CHECK(SameBits(agnostic(0), uniform));
  CHECK(RelativeDifference(agnostic(1e-4), uniform) > 1e-3);
  CHECK(RelativeDifference(Model(json), uniform) > 1e-3);
}

TEST_CASE("agnostic's weights stay on the simplex, and those with larger losses gain") {
  const RunResult run =
      RunOnce(With(WithStrategy(SmallRegression(), {{"name", "agnostic"}, {"lambda_lr", 1e-5}}),
                   {{"rounds", 20}}));
  const at::Tensor& lambda = run.state.tensors.at("agnostic.lambda");
  REQUIRE(lambda.numel() == 12);
  double sum = 0;
  float largest = 0;
  for (int64_t k = 0; k < lambda.numel(); ++k) {
    const float value = lambda.const_data_ptr<float>()[k];
    CHECK(value >= 0);
    sum += value;
    largest = std::max(largest, value);
  }
  CHECK(sum == Approx(1).epsilon(1e-5));
  CHECK(largest > 1.05 / 12);
}

TEST_CASE("agnostic goes on learning when few of many clients take part") {
  const TempFolder folder;
  const Json json =
      With(SmallRegression(), {{"partition.clients", 60}, {"sampler.cohort", 3}, {"rounds", 60}});
  const RunResult run = RunIn(folder / "run", WithStrategy(json, "agnostic"));
  const auto rounds = RoundsWithoutTimes(folder / "run");
  for (size_t round = 1; round < rounds.size(); ++round)
    CHECK(rounds[round].at("update_norm").get<double>() > 0);
  CHECK(rounds.back().at("test_loss") < 0.1 * rounds.front().at("test_loss").get<double>());
  double sum = 0;
  const at::Tensor& lambda = run.state.tensors.at("agnostic.lambda");
  for (int64_t k = 0; k < lambda.numel(); ++k) sum += lambda.const_data_ptr<float>()[k];
  CHECK(sum == Approx(1).epsilon(1e-5));
}

TEST_CASE("what an aggregator would make wrong is refused") {
  const auto problem = [](const Json& json) {
    return ErrorOf<ConfigError>([&] { Experiment(json, "test.json"); });
  };
  const Json everyone = With(SmallRegression(), {{"sampler.cohort", 12}});
  for (const char* strategy : {"fedexp", "qfedavg", "feddyn"}) {
    CHECK(problem(With(everyone, {{"strategy", strategy}, {"aggregator", "median"}})) ==
          "test.json has 1 problem\n  aggregator: strategy " + std::string(strategy) +
              " makes its server step for the mean of the updates and would be wrong by another "
              "aggregate; use mean and no pre_aggregation");
  }
  CHECK(problem(With(everyone, {{"strategy", "fednova"}, {"aggregator", "fltrust"}})) ==
        "test.json has 1 problem\n  aggregator: fltrust compares updates with the server's own "
        "plain training, but strategy fednova scales them or leaves a part out");
  for (const char* strategy : {"scaffold", "fedprox", "fednova", "ditto"})
    CHECK(problem(With(everyone, {{"strategy", strategy}, {"aggregator", "median"}})).empty());
  CHECK(problem(With(everyone, {{"strategy", {{"name", "fednova"}, {"mu", 60}}}})) ==
        "test.json has 1 problem\n  strategy.mu: must be below 50 with this training.lr and "
        "momentum, beyond which local steps swing about the global model; got 60");
}

TEST_CASE("fedexp is fedavg where clients agree or epsilon is huge, and else steps further") {
  const Json json = SmallRegression();
  CHECK(SameBits(Model(WithStrategy(json, {{"name", "fedexp"}, {"epsilon", 1e30}})), Model(json)));
  const Json one = With(json, {{"partition.clients", 1}, {"sampler.cohort", 1}});
  CHECK(SameBits(Model(WithStrategy(one, "fedexp")), Model(one)));
}

TEST_CASE("mimelite with beta 0 is fedavg, and mime corrects it") {
  const Json json = SmallRegression();
  CHECK(SameBits(Model(WithStrategy(json, {{"name", "mimelite"}, {"beta", 0}})), Model(json)));
  CHECK(RelativeDifference(Model(WithStrategy(json, "mimelite")), Model(json)) > 1e-3);
  CHECK(RelativeDifference(Model(WithStrategy(json, {{"name", "mime"}, {"beta", 0}})),
                           Model(json)) > 1e-3);
}

TEST_CASE("one full-batch step of mime is the cohort's gradient, so mime is mimelite and fedavg") {
  const Json json = With(With(SmallRegression(), kFullBatch), {{"rounds", 6}});
  const auto with_beta = [&](const char* name, double beta) {
    return Model(WithStrategy(json, {{"name", name}, {"beta", beta}}));
  };
  CHECK(RelativeDifference(with_beta("mime", 0), Model(json)) < 1e-5);
  CHECK(RelativeDifference(with_beta("mime", 0.9), with_beta("mimelite", 0.9)) < 1e-5);
  CHECK(RelativeDifference(with_beta("mime", 0.9), Model(json)) > 1e-3);
}

TEST_CASE("mime with all clients and one full-batch step is centralized sgd with momentum") {
  // (1 - beta) g + beta m steps as PyTorch's g + beta m does, with lr (1 - beta).
  const Json training = {{"batch_size", 0}, {"shuffle", false}, {"weight_decay", 0.1}};
  const Json federated =
      With(FullParticipation(),
           {{"training", training}, {"training.lr", 0.2}, {"rounds", 15}, {"strategy", "mime"}});
  const Json central = With(SmallRegression(), {{"partition.clients", 1},
                                                {"sampler.cohort", 1},
                                                {"training", training},
                                                {"training.lr", 0.02},
                                                {"training.momentum", 0.9},
                                                {"training.epochs", 15},
                                                {"rounds", 1}});
  CHECK(RelativeDifference(Model(federated), Model(central)) < 1e-4);
  CHECK(RelativeDifference(Model(With(federated, {{"training.weight_decay", 0}})), Model(central)) >
        1e-3);
}

TEST_CASE("every strategy gives the same bits with 1 and 3 workers") {
  for (const char* name : {"scaffold", "fednova", "feddyn", "feddc", "qfedavg", "fedsgd",
                           "agnostic", "fedexp", "mime", "mimelite", "fedprox"}) {
    INFO(name);
    const Json json = WithStrategy(With(SmallRegression(), {{"rounds", 4}}), name);
    CHECK(SameBits(Model(With(json, {{"runtime.workers", 1}})),
                   Model(With(json, {{"runtime.workers", 3}}))));
  }
}

TEST_CASE("what makes no sense with a strategy is refused with the reason") {
  const auto refusal = [](const char* strategy,
                          const std::vector<std::pair<std::string, Json>>& changes) {
    return Refusal(With(WithStrategy(SmallRegression(), strategy), changes));
  };
  CHECK_THAT(refusal("scaffold", {{"training.optimizer", "adam"}}),
             Catch::Contains("training.optimizer: scaffold needs sgd: it corrects each step by "
                             "gradients of earlier rounds, which adam would rescale"));
  CHECK_THAT(refusal("feddc", {{"training.optimizer", "adam"}}),
             Catch::Contains("training.optimizer: feddc needs sgd"));
  CHECK_THAT(
      refusal("fednova", {{"training.optimizer", "adam"}}),
      Catch::Contains("training.optimizer: fednova needs sgd: how far a step of adam carries "
                      "does not grow with its gradient, so updates can't be normalized"));
  CHECK_THAT(refusal("mime", {{"training.momentum", 0.9}}),
             Catch::Contains("training.momentum: mime brings its own momentum (strategy.beta), so "
                             "must be 0, got 0.9"));
  CHECK_THAT(refusal("mimelite", {{"training.optimizer", "adam"}}),
             Catch::Contains("training.optimizer: mimelite needs sgd: it brings its own optimizer, "
                             "sgd with the server's momentum"));
  CHECK_THAT(
      refusal("fedsgd", {{"training.epochs", 5}}),
      Catch::Contains("training.epochs: fedsgd takes one step a round, so must be 1, got 5"));
  CHECK_THAT(refusal("feddyn", {{"strategy", {{"name", "feddyn"}, {"alpha", 0}}}}),
             Catch::Contains("strategy.alpha: must be greater than 0, got 0"));
  for (const char* strategy : {"feddyn", "qfedavg", "fedexp"})
    CHECK(refusal(strategy, {{"training.optimizer", "adam"}}).empty());
}

}  // namespace
}  // namespace flsim
