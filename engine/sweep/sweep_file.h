// A sweep file: a base experiment and what is varied.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/core/json.h"

namespace flsim {

/// Values by dotted path, such as ("training.lr", 0.1).
using Assignments = std::vector<std::pair<std::string, Json>>;

/// One experiment of a sweep.
struct Trial {
  int64_t number = 0;    ///< from 1
  int64_t point = 0;     ///< from 1; the trials of a point differ in their seeds alone
  Assignments settings;  ///< what the point changes in the base
  uint64_t seed = 1;
  Json config;

  /// "trial-0007".
  std::string Folder() const;
  /// "strategy=fedprox, training.lr=0.1, seed=2".
  std::string Label() const;
};

/// Successive halving (Jamieson and Talwalkar, 2016): all points run for `min_rounds`, the best of
/// them, 1 in `eta`, for eta times as many, and so on.
struct Halving {
  std::optional<std::string>
      metric;  ///< as rounds.jsonl or stop.metric names it; absent: stop.metric
  int64_t eta = 3, min_rounds = 1;
};

struct Sweep {
  std::string name;  ///< of its folder
  std::string file;
  Json definition;                ///< the file, with the base in place of its path
  std::vector<std::string> axes;  ///< the paths that are varied, in order of appearance
  std::vector<Trial> trials;
  int64_t points = 0;
  std::optional<Halving> halving;
  std::vector<std::string> warnings;  ///< what is legal but hardly meant
};

/// "45 trials: 15 points x 3 seeds".
std::string CountText(const Sweep& sweep);

/// Whether the file holds a sweep rather than an experiment.
bool IsSweep(const std::string& file);

/// Reads a sweep file; `overrides` (KEY=VALUE) change its base. The same file gives the same
/// trials. Throws ConfigError with every problem of the file's own; the trials' configs are not
/// looked at.
///
///   {"base": {an experiment} or its path, from the sweep file's folder,
///    "grid": {"strategy": ["fedavg", "fedprox"], "training.lr": [0.1, 0.01]},  all combinations
///    "zip": {"training.lr": [0.1, 0.01], "rounds": [100, 300]},   together; or a list of such
///    "random": {"samples": 20, "seed": 1, "training.lr": {"log_uniform": [1e-4, 1]}},
///              also "uniform": [a, b], "integer": [a, b], "choice": [...]
///    "conditions": [{"when": {"strategy": "fedprox"}, "grid": {"strategy.mu": [0.01, 0.1]}},
///                   {"when": {"strategy": "fedavg", "training.lr": 0.1}, "skip": true}],
///    "repeat": 3,    so many seeds for each point: the base's and those that follow
///    "halving": {"metric": "test_accuracy", "eta": 3, "min_rounds": 10}}
Sweep ReadSweep(const std::string& file, const std::vector<std::string>& overrides);

}  // namespace flsim
