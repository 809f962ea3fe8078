// An aggregator folds a cohort's updates into one.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "engine/core/registry.h"
#include "engine/core/rng.h"
#include "strategies/client_task.h"
#include "strategies/pre_aggregation.h"

namespace flsim {

/// What an aggregator may use once the whole cohort has been added.
struct FoldInput {
  int64_t round = 0;
  uint64_t seed = 1;
  /// Runs work(0) .. work(items - 1) on all workers, in any order.
  std::function<void(int64_t items, const std::function<void(int64_t)>& work)> parallel;
  /// The server's own update on its root data set, float32 [P], where RootExamples() asks for it.
  at::Tensor root_delta;
  /// The last round's aggregate delta, float32 [P], where NeedsPrevious() asks for it; undefined
  /// in the first round.
  at::Tensor previous_delta;
};

/// A cohort is folded in consecutive parts that are then joined, left to right in a fixed tree;
/// parts are filled by several workers at once, so an aggregator is a monoid: NewPart() is empty,
/// Add() appends one client, Join() appends a later part. The order of clients is always that of
/// the cohort, whatever the number of workers.
class Aggregator {
 public:
  static constexpr const char* kKind = "aggregator";
  struct Context {
    int64_t parameters = 0;  ///< P
    int64_t buffers = 0;     ///< B
    c10::Device device = c10::Device(c10::kCPU);
    /// Applied to the updates first, in this order; outlive the aggregator.
    std::vector<const PreAggregation*> pre_aggregations;
  };
  virtual ~Aggregator() = default;

  struct Part {
    virtual ~Part() = default;
  };

  virtual std::unique_ptr<Part> NewPart() const = 0;
  /// Makes a used part empty again and keeps its memory.
  virtual void Clear(Part& part) const = 0;
  /// `update` is only lent: what is to be kept is copied.
  virtual void Add(Part& part, const Update& update) const = 0;
  /// Leaves `right` in a state that only Clear() may follow.
  virtual void Join(Part& left, Part& right) const = 0;
  /// Delta, buffers and squared norm of the aggregate of all that was added, at least one update;
  /// they lend the part's memory.
  virtual Aggregate Finish(Part& part, const FoldInput& input) const = 0;

  /// Whether the aggregate is the mean of the updates, weighted or not.
  virtual bool IsMean() const { return false; }
  /// Whether updates count by Update::weight; else they count the same, or as the rule decides.
  virtual bool UsesWeights() const { return false; }
  /// Examples of the root data set that the server trains on by itself each round; 0 for none.
  virtual int64_t RootExamples() const { return 0; }
  /// Whether the engine has to keep each round's aggregate for the next.
  virtual bool NeedsPrevious() const { return false; }
  /// Says why a cohort of `clients` can't be folded, or "".
  virtual std::string WhyNotCohort(int64_t clients) const { return ""; }
};

}  // namespace flsim
