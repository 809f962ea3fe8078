// A sampler picks each round's cohort.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/core/registry.h"
#include "engine/core/rng.h"

namespace flsim {

class Sampler {
 public:
  static constexpr const char* kKind = "sampler";
  struct Context {};
  virtual ~Sampler() = default;

  /// Says why this population can't be sampled so ("must be at most 100 (partition.clients), got
  /// 200"), with the option's path below "sampler"; adds nothing if it can.
  virtual void CheckPopulation(int64_t clients, const std::string& path,
                               Problems& problems) const = 0;

  /// The clients of a round, distinct and in 0 .. clients - 1, at least one, in increasing order.
  virtual std::vector<int64_t> Sample(int64_t clients, Rng rng) const = 0;
};

}  // namespace flsim
