// The weighted mean. Memory: one model for each part in flight. Cost: one pass over each update.
#include "engine/core/vector_ops.h"
#include "strategies/aggregator.h"

namespace flsim {
namespace {

class Mean : public Aggregator {
 public:
  struct Options {
    std::string weighting = "examples";
    template <class V>
    void Visit(V& v) {
      v(weighting, "weighting",
        "What a client's update counts for: its number of examples (as in FedAvg), or the same for "
        "every client.",
        OneOf({"examples", "uniform"}));
    }
  };
  Mean(const Options& options, const Context& context)
      : by_examples_(options.weighting == "examples"), context_(context) {}

  std::unique_ptr<Part> NewPart() const override {
    auto part = std::make_unique<Sum>();
    part->delta = Uninitialized(context_.parameters, context_.device);
    part->buffers = Uninitialized(context_.buffers, context_.device);
    return part;
  }

  void Clear(Part& part) const override { static_cast<Sum&>(part).weight = 0; }

  void Add(Part& part, const Update& update) const override {
    Sum& sum = static_cast<Sum&>(part);
    const double weight = by_examples_ ? static_cast<double>(update.examples) : 1.0;
    // An empty part holds nothing: the first update replaces it.
    const auto fold = sum.weight == 0 ? SetScaled : AddScaled;
    fold(sum.delta, weight, update.delta);
    if (context_.buffers > 0) fold(sum.buffers, weight, update.buffers);
    sum.weight += weight;
  }

  void Join(Part& left, const Part& right) const override {
    Sum& sum = static_cast<Sum&>(left);
    const Sum& other = static_cast<const Sum&>(right);
    AddScaled(sum.delta, 1, other.delta);
    if (context_.buffers > 0) AddScaled(sum.buffers, 1, other.buffers);
    sum.weight += other.weight;
  }

  Update Finish(Part& part) const override {
    Sum& sum = static_cast<Sum&>(part);
    Scale(sum.delta, 1 / sum.weight);
    if (context_.buffers > 0) Scale(sum.buffers, 1 / sum.weight);
    Update mean;
    mean.delta = sum.delta;
    mean.buffers = sum.buffers;
    mean.squared_norm = SquaredNorm(mean.delta);
    return mean;
  }

 private:
  struct Sum : Part {
    at::Tensor delta, buffers;
    double weight = 0;
  };
  bool by_examples_;
  Context context_;
};

FLSIM_REGISTER(Aggregator, Mean, "mean", "Mean of the updates, weighted by examples or uniform.");

}  // namespace
}  // namespace flsim
