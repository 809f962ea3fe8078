// A kind of component and an experiment made of it, small enough for exact expectations.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/registry.h"

namespace flsim {

/// A strategy stand-in: says its name and one number.
class ToyStrategy {
 public:
  static constexpr const char* kKind = "toy_strategy";
  struct Context {
    double scale = 1;
  };
  virtual ~ToyStrategy() = default;
  virtual double Value() const = 0;
};

/// The axis that toy aliases replace.
class ToyOptimizer {
 public:
  static constexpr const char* kKind = "toy_optimizer";
  struct Context {};
  virtual ~ToyOptimizer() = default;
  virtual double Lr() const = 0;
};

struct ToyTraining {
  int64_t batch_size = 32;
  double lr = 0.1;
  template <class V>
  void Visit(V& v) {
    v(batch_size, "batch_size", "Examples per step.", AtLeast(1));
    v(lr, "lr", "Learning rate.", GreaterThan(0));
  }
  void Check(Problems& problems, const std::string& path) {
    if (lr * static_cast<double>(batch_size) > 1000) {
      problems.Add(JoinPath(path, "lr"), "too large for this batch_size");
    }
  }
};

struct ToyExperiment {
  Choice<ToyStrategy> toy_strategy{"plain"};
  Choice<ToyOptimizer> toy_optimizer{"sgd"};
  ToyTraining training;
  template <class V>
  void Visit(V& v) {
    v(toy_strategy, "toy_strategy", "The algorithm.");
    v(toy_optimizer, "toy_optimizer", "The server step.");
    v(training, "training", "Local training.");
  }
};

/// Expands aliases, reads `text` and returns the problems as one text, "" if there are none.
std::string ToyProblems(const std::string& text, ToyExperiment& experiment);
std::string ToyProblems(const std::string& text);

}  // namespace flsim
