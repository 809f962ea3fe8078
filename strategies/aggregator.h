// An aggregator folds a cohort's updates into one.
#pragma once

#include <cstdint>
#include <memory>

#include "strategies/strategy.h"

namespace flsim {

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
  virtual void Join(Part& left, const Part& right) const = 0;
  /// The aggregate of all that was added, at least one update.
  virtual Update Finish(Part& part) const = 0;
};

}  // namespace flsim
