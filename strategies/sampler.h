// A sampler picks each round's cohort.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/core/registry.h"
#include "engine/core/rng.h"

namespace flsim {

/// Who can be sampled.
struct Population {
  int64_t clients = 0;
  const int64_t* offsets = nullptr;  ///< [clients + 1]: client k has offsets[k + 1] - offsets[k]
                                     ///< training examples
  int64_t examples(int64_t client) const { return offsets[client + 1] - offsets[client]; }
};

/// What a cohort is drawn from.
struct SamplingRound {
  uint64_t seed = 1;  ///< of the experiment, for draws that all rounds share
  int64_t round = 1;
  Population population;
  int64_t cohort = 0;  ///< how many to draw, where CohortSize() is not 0; at most the population
  Rng rng;
  /// The mean loss of the global model on each of these clients' training examples.
  std::function<std::vector<double>(const std::vector<int64_t>& clients)> losses;
};

/// Options of every sampler.
struct SamplerOptions {
  double over_selection = 1, dropout = 0;
  template <class V>
  void Visit(V& v) {
    v(over_selection, "over_selection",
      "Selects this many times the cohort (rounded up); of those that do not drop out the first to "
      "arrive, in random order, are the cohort and the others' work is never begun.",
      AtLeast(1));
    v(dropout, "dropout", "Probability that a selected client drops out of the round.",
      FromBelow(0, 1));
  }
};

class Sampler {
 public:
  static constexpr const char* kKind = "sampler";
  struct Context {
    int64_t rounds = 0;  ///< of the experiment; 0: not known
  };
  virtual ~Sampler() = default;

  const SamplerOptions& options() const { return options_; }

  /// Says why this population can't be sampled so ("must be at most 100 (partition.clients), got
  /// 200"), with the option's path below `path`; adds nothing if it can.
  virtual void CheckPopulation(int64_t clients, const std::string& path,
                               Problems& problems) const = 0;

  /// How many clients a round is meant to have; 0: each round's number is the sampler's own affair
  /// (then over-selection is refused).
  virtual int64_t CohortSize(int64_t clients) const = 0;

  /// The clients of a round, distinct and in 0 .. clients - 1, in increasing order. May be empty
  /// only where CohortSize() is 0.
  virtual std::vector<int64_t> Sample(const SamplingRound& round) const = 0;

  /// SHA-256 of what files say of rounds 1 .. rounds, so that a resumed run notices a changed file;
  /// "" where the options and the seed tell all.
  virtual std::string FileHash(int64_t rounds) const { return ""; }

 protected:
  explicit Sampler(const SamplerOptions& options) : options_(options) {}

 private:
  SamplerOptions options_;
};

}  // namespace flsim
