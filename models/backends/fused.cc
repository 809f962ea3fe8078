// Small networks at the speed of the core: a layer list is compiled into fused blocks
// (fused/plan.h) over kernels of our own (fused/kernels.h), on the same flat vectors as every other
// backend.
#include <algorithm>
#include <cstring>

#include "engine/core/error.h"
#include "models/backends/backends.h"
#include "models/backends/fused/plan.h"

namespace flsim {
namespace {

/// Larger batches are summed up in parts, so that memory does not grow with the batch.
constexpr int64_t kPart = fused::kMostExamplesOfPass;

float* Data(const at::Tensor& x) {
  return static_cast<float*>(x.unsafeGetTensorImpl()->mutable_data());
}

class FusedReplica : public Replica {
 public:
  FusedReplica(const Network& network, c10::Device device)
      : Replica(network, device), network_(network), plan_(network) {
    FLSIM_CHECK(device.is_cpu());
    inputs_ = 1;
    for (const int64_t side : network.input) inputs_ *= side;
    // What Backward() does not step by itself.
    rest_ = network.parameters.Complement(plan_.stepped());
  }

  double Gradient(const Batch& batch, Rng& rng, const FeatureLoss* feature_loss) override {
    FLSIM_CHECK(feature_loss == nullptr);
    std::memset(Data(gradient), 0, static_cast<size_t>(gradient.numel()) * sizeof(float));
    return Run(batch, rng, nullptr);
  }

  double Step(const Batch& batch, Rng& rng, const SgdStep& step,
              const at::Tensor& velocity) override {
    if (batch.size() > kPart) return Replica::Step(batch, rng, step, velocity);
    float* m = velocity.defined() ? Data(velocity) : nullptr;
    const fused::StepOnTheFly on_the_fly{static_cast<float>(step.lr),
                                         static_cast<float>(step.momentum),
                                         static_cast<float>(step.weight_decay), step.first, m};
    float *g = Data(gradient), *w = Data(parameters);
    for (const ParameterRange& range : rest_) {
      std::memset(g + range.begin, 0, static_cast<size_t>(range.size) * sizeof(float));
    }
    const double loss = Run(batch, rng, &on_the_fly);
    for (const ParameterRange& range : rest_) {
      Apply(step, w + range.begin, g + range.begin, m == nullptr ? nullptr : m + range.begin,
            range.size);
    }
    return loss;
  }

  EvaluationSums Evaluate(const Batch& batch) override {
    fused::Pass pass = Start(batch, nullptr);
    EvaluationSums sums;
    for (int64_t first = 0; first < batch.size(); first += kPart) {
      Part(batch, first, pass);
      plan_.Forward(pass);
      const EvaluationSums part = SumLosses(network_, OutputsOf(batch, first, pass));
      sums.examples += part.examples;
      sums.loss += part.loss;
      sums.correct += part.correct;
    }
    return sums;
  }

 private:
  fused::Pass Start(const Batch& batch, Rng* rng) {
    plan_.Reserve(std::min(batch.size(), kPart));
    fused::Pass pass;
    pass.parameters = Data(parameters);
    pass.gradient = Data(gradient);
    pass.rng = rng;
    plan_.Load(pass);
    return pass;
  }

  void Part(const Batch& batch, int64_t first, fused::Pass& pass) const {
    pass.inputs = batch.input_data() + first * inputs_;
    pass.examples = std::min(kPart, batch.size() - first);
  }

  Outputs OutputsOf(const Batch& batch, int64_t first, const fused::Pass& pass) const {
    Outputs outputs{pass.examples, plan_.Outputs(), plan_.stride(), batch.labels(),
                    batch.target_values()};
    if (outputs.labels != nullptr) outputs.labels += first;
    if (outputs.targets != nullptr) outputs.targets += first;
    return outputs;
  }

  double Run(const Batch& batch, Rng& rng, const fused::StepOnTheFly* step) {
    fused::Pass pass = Start(batch, &rng);
    pass.step = step;
    double loss = 0;
    for (int64_t first = 0; first < batch.size(); first += kPart) {
      Part(batch, first, pass);
      plan_.Forward(pass);
      loss += LossGradient(network_, OutputsOf(batch, first, pass), batch.size(),
                           plan_.OutputGradient());
      plan_.Backward(pass);
    }
    plan_.Finish(pass);
    return loss / static_cast<double>(batch.size());
  }

  const Network& network_;
  fused::Plan plan_;
  int64_t inputs_ = 0;  ///< values of one example
  std::vector<ParameterRange> rest_;
};

}  // namespace

std::string WhyNotFused(const Network& network) { return fused::WhyNoPlan(network); }

std::string DescribeFusedPlan(const Network& network) {
  return "fused plan (" + std::string(fused::InstructionSet()) + "):\n" +
         fused::Plan(network).Describe();
}

std::unique_ptr<Replica> MakeFusedReplica(const Network& network, c10::Device device) {
  return std::make_unique<FusedReplica>(network, device);
}

}  // namespace flsim
