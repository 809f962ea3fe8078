// The aggregator that keeps a cohort's updates until all are there and then applies a rule to them.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "engine/core/error.h"
#include "engine/core/vector_ops.h"
#include "strategies/aggregator.h"

namespace flsim {

/// What a rule is, with what it may leave out. A rule also has a struct Options, a constructor
/// (const Options&, const Aggregator::Context&) and
///   void Combine(CohortMatrix& rows, const FoldInput& input, const at::Tensor& out) const;
/// which fills out [P + B] and may overwrite the rows.
struct GatheredRule {
  bool UsesWeights() const { return false; }
  int64_t RootExamples() const { return 0; }
  bool NeedsPrevious() const { return false; }
  /// Says why it can't combine `rows` updates, or "".
  std::string WhyNot(int64_t rows) const { return ""; }
};

/// Memory: one copy of the cohort's updates, reused from round to round, and one of the result.
template <class Rule>
class Gathered : public Aggregator {
 public:
  using Options = typename Rule::Options;

  Gathered(const Options& options, const Context& context)
      : rule_(options, context), context_(context) {
    if (rule_.UsesWeights() && !context.pre_aggregations.empty()) {
      throw ConfigError(
          "aggregator.weighting: \"examples\" can't be combined with pre_aggregation, which mixes "
          "the updates of several clients; take \"uniform\"");
    }
  }

  std::unique_ptr<Part> NewPart() const override { return std::make_unique<Rows>(); }

  void Clear(Part& part) const override {
    Rows& own = static_cast<Rows&>(part);
    const std::lock_guard<std::mutex> lock(mutex_);
    for (at::Tensor& row : own.rows) free_.push_back(std::move(row));
    if (own.out.defined()) free_.push_back(std::move(own.out));
    own = Rows();
  }

  void Add(Part& part, const Update& update) const override {
    const at::Tensor row = Take();
    Copy(row.narrow(0, 0, context_.parameters), update.delta);
    if (context_.buffers > 0)
      Copy(row.narrow(0, context_.parameters, context_.buffers), update.buffers);
    Rows& own = static_cast<Rows&>(part);
    own.rows.push_back(row);
    own.weights.push_back(update.weight);
  }

  void Join(Part& left, Part& right) const override {
    Rows& own = static_cast<Rows&>(left);
    Rows& later = static_cast<Rows&>(right);
    own.rows.insert(own.rows.end(), std::make_move_iterator(later.rows.begin()),
                    std::make_move_iterator(later.rows.end()));
    own.weights.insert(own.weights.end(), later.weights.begin(), later.weights.end());
    later = Rows();
  }

  Aggregate Finish(Part& part, const FoldInput& input) const override {
    Rows& own = static_cast<Rows&>(part);
    CohortMatrix matrix{own.rows, own.weights, context_.parameters, input.parallel};
    for (size_t i = 0; i < context_.pre_aggregations.size(); ++i) {
      context_.pre_aggregations[i]->Apply(
          matrix, Rng(input.seed, {"pre_aggregation", static_cast<uint64_t>(input.round), i}));
    }
    const std::string why_not = rule_.WhyNot(matrix.n());
    FLSIM_CHECK(why_not.empty(), why_not);
    if (!own.out.defined()) own.out = Take();
    rule_.Combine(matrix, input, own.out);
    Aggregate aggregate;
    aggregate.delta = own.out.narrow(0, 0, context_.parameters);
    aggregate.buffers = own.out.narrow(0, context_.parameters, context_.buffers);
    aggregate.squared_norm = SquaredNorm(aggregate.delta);
    return aggregate;
  }

  bool UsesWeights() const override { return rule_.UsesWeights(); }
  int64_t RootExamples() const override { return rule_.RootExamples(); }
  bool NeedsPrevious() const override { return rule_.NeedsPrevious(); }

  std::string WhyNotCohort(int64_t clients) const override {
    int64_t rows = clients;
    std::string why;
    for (const PreAggregation* pre_aggregation : context_.pre_aggregations) {
      why = pre_aggregation->WhyNot(rows);
      if (!why.empty()) break;
      rows = pre_aggregation->Rows(rows);
    }
    if (why.empty()) why = rule_.WhyNot(rows);
    if (!why.empty() && rows != clients)
      why += " (what pre_aggregation makes of " + std::to_string(clients) + ")";
    return why;
  }

 private:
  struct Rows : Part {
    std::vector<at::Tensor> rows;  ///< [P + B]: delta, then buffers
    std::vector<double> weights;
    at::Tensor out;
  };

  at::Tensor Take() const {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (!free_.empty()) {
        at::Tensor row = std::move(free_.back());
        free_.pop_back();
        return row;
      }
    }
    return Uninitialized(context_.parameters + context_.buffers, context_.device);
  }

  Rule rule_;
  Context context_;
  mutable std::mutex mutex_;
  mutable std::vector<at::Tensor> free_;  ///< rows of earlier rounds, for any part
};

}  // namespace flsim
