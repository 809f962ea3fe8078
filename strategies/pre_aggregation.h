// A pre-aggregation changes a cohort's updates, as a set, before a robust aggregator sees them.
#pragma once

#include "engine/core/registry.h"
#include "engine/core/rng.h"
#include "strategies/cohort_matrix.h"

namespace flsim {

class PreAggregation {
 public:
  static constexpr const char* kKind = "pre_aggregation";
  struct Context {};
  virtual ~PreAggregation() = default;

  /// Replaces the rows; may leave fewer of them, at least one.
  virtual void Apply(CohortMatrix& rows, Rng rng) const = 0;
  /// How many rows it makes of `rows`.
  virtual int64_t Rows(int64_t rows) const { return rows; }
  /// Says why it can't be applied to `rows` rows, or "".
  virtual std::string WhyNot(int64_t rows) const { return ""; }
};

}  // namespace flsim
