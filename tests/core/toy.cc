#include "tests/core/toy.h"

namespace flsim {
namespace {

class Plain : public ToyStrategy {
 public:
  struct Options {
    template <class V>
    void Visit(V&) {}
  };
  Plain(const Options&, const Context& context) : value_(context.scale) {}
  double Value() const override { return value_; }

 private:
  double value_;
};
FLSIM_REGISTER(ToyStrategy, Plain, "plain", "Nothing added.");

class Proximal : public ToyStrategy {
 public:
  struct Options {
    double mu = 0.01;
    template <class V>
    void Visit(V& v) {
      v(mu, "mu", "Weight of the proximal term; 0 gives plain.", AtLeast(0));
    }
  };
  Proximal(const Options& options, const Context& context) : value_(options.mu * context.scale) {}
  double Value() const override { return value_; }

 private:
  double value_;
};
FLSIM_REGISTER(ToyStrategy, Proximal, "proximal", "A proximal term.");
FLSIM_ALIAS(ToyStrategy, momentum, "momentum", "plain", "toy_optimizer",
            Json{{"name", "sgd"}, {"momentum", 0.9}}, "plain with toy_optimizer sgd");

class Sgd : public ToyOptimizer {
 public:
  struct Options {
    double lr = 1, momentum = 0;
    template <class V>
    void Visit(V& v) {
      v(lr, "lr", "Learning rate.", GreaterThan(0));
      v(momentum, "momentum", "Momentum.", FromBelow(0, 1));
    }
  };
  Sgd(const Options& options, const Context&) : lr_(options.lr) {}
  double Lr() const override { return lr_; }

 private:
  double lr_;
};
FLSIM_REGISTER(ToyOptimizer, Sgd, "sgd", "Gradient descent.");

}  // namespace

std::string ToyProblems(const std::string& text, ToyExperiment& experiment) {
  try {
    Json json = ParseJson(text, "experiment.json");
    Problems problems;
    ExpandAliases(json, problems);
    ReadOptions(experiment, json, "", problems);
    problems.ThrowIfAny("experiment.json");
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

std::string ToyProblems(const std::string& text) {
  ToyExperiment experiment;
  return ToyProblems(text, experiment);
}

}  // namespace flsim
