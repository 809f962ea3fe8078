// FedSGD: one gradient step a round, on all examples of the cohort.
// McMahan, Moore, Ramage, Hampson, Agüera y Arcas (2017), "Communication-Efficient Learning of Deep
// Networks from Decentralized Data", section 2: FedAvg with one epoch of one full batch. Client k
// sends lr g_k, g_k its full gradient at the global model, so the server steps by lr sum_k p_k g_k.
//
// training.lr, weight_decay and clip_norm hold as for one local step; batch_size, shuffle and
// momentum play no part. BatchNorm is refused: its running statistics are taken of local steps.
#include <cmath>

#include "engine/core/error.h"
#include "engine/core/vector_ops.h"
#include "strategies/local_sgd.h"
#include "strategies/strategy.h"

namespace flsim {
namespace {

class FedSgd : public Strategy {
 public:
  struct Options {
    template <class V>
    void Visit(V& v) {}
  };
  FedSgd(const Options&, const Context& context)
      : weight_decay_(context.training.weight_decay), clip_norm_(context.training.clip_norm) {
    const TrainingOptions& training = context.training;
    RequireSgd(training, "fedsgd", "its one step is along the gradient");
    if (context.buffers > 0) {
      throw ConfigError(
          "model: fedsgd takes no local steps, of which batch_norm takes its running statistics; "
          "use group_norm");
    }
    if (training.epochs.value_or(1) > 1)
      throw ConfigError("training.epochs: fedsgd takes one step a round, so must be 1, got " +
                        std::to_string(*training.epochs));
    if (training.steps.value_or(1) > 1)
      throw ConfigError("training.steps: fedsgd takes one step a round, so must be 1, got " +
                        std::to_string(*training.steps));
  }

  void Train(ClientTask& task) const override {
    const at::Tensor& gradient = task.local.Scratch(0);
    const double loss = task.local.FullGradient(task, task.parameters, gradient);
    task.steps = 1;
    task.examples_seen = task.examples;
    task.loss_sum = loss * static_cast<double>(task.examples);
    task.first_loss = task.last_loss = loss;
    if (clip_norm_ > 0) {
      const double norm = std::sqrt(SquaredNorm(gradient));
      if (norm > clip_norm_) Scale(gradient, clip_norm_ / norm);
    }
    Apply(SgdStep{task.lr, 0, weight_decay_, true}, task.parameters, gradient, {});
  }

 private:
  double weight_decay_, clip_norm_;
};

FLSIM_REGISTER(Strategy, FedSgd, "fedsgd",
               "One step along the mean of full gradients (McMahan et al., 2017).");

}  // namespace
}  // namespace flsim
