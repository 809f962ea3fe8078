// The weighted mean.
// McMahan, Moore, Ramage, Hampson, Agüera y Arcas (2017), "Communication-Efficient Learning of Deep
// Networks from Decentralized Data", Algorithm 1:  sum_k n_k / n w_k. Where all weights are 0, as a
// strategy may set them, updates count the same. Buffers: the same mean.
//   n_k  Update::weight, or 1 with weighting "uniform"
// Cost: one pass over each update; memory: one model for each part in flight. After a
// pre-aggregation, which needs all updates at once: as any other rule, the whole cohort.
#include <optional>

#include "strategies/aggregators/gathered.h"

namespace flsim {
namespace {

struct MeanOptions {
  std::string weighting = "examples";
  template <class V>
  void Visit(V& v) {
    v(weighting, "weighting",
      "What a client's update counts for: its number of examples (as in FedAvg), or the same for "
      "every client.",
      OneOf({"examples", "uniform"}));
  }
};

/// The mean of what a pre-aggregation leaves.
class MeanOfRows : public GatheredRule {
 public:
  using Options = MeanOptions;
  MeanOfRows(const Options& options, const Aggregator::Context&)
      : by_examples_(options.weighting == "examples") {}

  bool UsesWeights() const { return by_examples_; }

  void Combine(CohortMatrix& rows, const FoldInput&, const at::Tensor& out) const {
    rows.Mean(out);
  }

 private:
  bool by_examples_;
};

class Mean : public Aggregator {
 public:
  using Options = MeanOptions;
  Mean(const Options& options, const Context& context)
      : by_examples_(options.weighting == "examples"), context_(context) {
    if (!context.pre_aggregations.empty()) gathered_.emplace(options, context);
  }

  std::unique_ptr<Part> NewPart() const override {
    if (gathered_) return gathered_->NewPart();
    auto part = std::make_unique<Sum>();
    part->delta = Uninitialized(context_.parameters, context_.device);
    part->buffers = Uninitialized(context_.buffers, context_.device);
    return part;
  }

  void Clear(Part& part) const override {
    if (gathered_) return gathered_->Clear(part);
    Sum& sum = static_cast<Sum&>(part);
    sum.updates = 0;
    sum.weight = 0;
  }

  void Add(Part& part, const Update& update) const override {
    if (gathered_) return gathered_->Add(part, update);
    const double weight = by_examples_ ? update.weight : 1.0;
    Fold(static_cast<Sum&>(part), update.delta, update.buffers, weight, 1,
         weight == 0 ? 1 : weight);
  }

  void Join(Part& left, Part& right) const override {
    if (gathered_) return gathered_->Join(left, right);
    const Sum& later = static_cast<Sum&>(right);
    Fold(static_cast<Sum&>(left), later.delta, later.buffers, later.weight, later.updates, 1);
  }

  Aggregate Finish(Part& part, const FoldInput& input) const override {
    if (gathered_) return gathered_->Finish(part, input);
    const Sum& sum = static_cast<Sum&>(part);
    const double factor = 1 / (sum.weight == 0 ? static_cast<double>(sum.updates) : sum.weight);
    Scale(sum.delta, factor);
    if (context_.buffers > 0) Scale(sum.buffers, factor);
    Aggregate mean;
    mean.delta = sum.delta;
    mean.buffers = sum.buffers;
    mean.squared_norm = SquaredNorm(mean.delta);
    return mean;
  }

  bool IsMean() const override { return !gathered_; }
  bool UsesWeights() const override { return by_examples_; }
  std::string WhyNotCohort(int64_t clients) const override {
    return gathered_ ? gathered_->WhyNotCohort(clients) : "";
  }

 private:
  struct Sum : Part {
    at::Tensor delta, buffers;
    double weight = 0;    ///< while it is 0, the sums are unweighted
    int64_t updates = 0;  ///< while it is 0, the sums hold nothing
  };

  /// Adds `factor` times what is a later sum or one update. An unweighted sum gives way to a
  /// weighted one.
  void Fold(Sum& sum, const at::Tensor& delta, const at::Tensor& buffers, double weight,
            int64_t updates, double factor) const {
    const bool replace = sum.updates == 0 || (sum.weight == 0 && weight != 0);
    if (updates > 0 && (replace || sum.weight == 0 || weight != 0)) {
      const auto fold = replace ? SetScaled : AddScaled;
      fold(sum.delta, factor, delta);
      if (context_.buffers > 0) fold(sum.buffers, factor, buffers);
    }
    sum.weight += weight;
    sum.updates += updates;
  }

  bool by_examples_;
  Context context_;
  std::optional<Gathered<MeanOfRows>> gathered_;
};

FLSIM_REGISTER(Aggregator, Mean, "mean", "Mean of the updates, weighted by examples or uniform.");

}  // namespace
}  // namespace flsim
