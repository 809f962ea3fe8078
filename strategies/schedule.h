// A schedule: how a learning rate changes from round to round.
#pragma once

#include <algorithm>
#include <cstdint>

#include "engine/core/registry.h"

namespace flsim {

class Schedule {
 public:
  static constexpr const char* kKind = "schedule";
  struct Context {
    int64_t rounds = 1;  ///< of the experiment, for a schedule that spans them
  };
  virtual ~Schedule() = default;

  /// What the learning rate is multiplied by in a round, 1 for the first; above 0 and finite.
  virtual double Factor(int64_t round) const = 0;
};

/// Options of every schedule.
struct ScheduleOptions {
  int64_t warmup_rounds = 0;
  template <class V>
  void Visit(V& v) {
    v(warmup_rounds, "warmup_rounds",
      "Rounds of linear warm-up, W: the factor of round r is r / (W + 1) up to round W, and round "
      "W + 1 is the schedule's first.",
      Between(0, 1e9));
  }

  /// The factor of a round: that of the warm-up, then shape(t) with t = round - W, 1 at first. A
  /// decay that goes on for ever stays at 1e-30, so that no learning rate becomes 0.
  template <class Shape>
  double Factor(int64_t round, const Shape& shape) const {
    if (round <= warmup_rounds)
      return static_cast<double>(round) / static_cast<double>(warmup_rounds + 1);
    return std::max<double>(shape(round - warmup_rounds), 1e-30);
  }
};

}  // namespace flsim
