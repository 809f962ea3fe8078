// APFL: a client's model is a mixture of a personal and the global model.
// Deng, Kamani, Mahdavi (2020), "Adaptive Personalized Federated Learning", Algorithm 1. In each
// local step, with one batch xi:
//   w_i <- w_i - eta grad f_i(w_i; xi)                        as FedAvg does
//   v_i <- v_i - eta grad_v f_i(vbar_i; xi) = v_i - eta alpha_i grad f_i(vbar_i; xi)
// in which vbar_i = alpha_i v_i + (1 - alpha_i) w_i is the model that the client uses. With
// `adaptive`, once a round, alpha_i <- alpha_i - eta <v_i - w_i, grad f_i(vbar_i; xi)>, kept within
// [0, 1] (the paper's step towards the alpha that minimises f_i(vbar_i)): ours in the round's first
// step, before v_i and w_i move.
//   w_i  task.parameters        eta  task.lr
//   v_i, alpha_i  client state; v_i starts as the first global model that the client is sent
// The options of training hold for v_i as for w_i. The authors' code mixes the two models' outputs
// where the paper mixes parameters, and adds 0.02 alpha to the derivative; we follow the paper.
#include <algorithm>
#include <cmath>

#include "engine/core/vector_ops.h"
#include "strategies/local_sgd.h"
#include "strategies/strategy.h"

namespace flsim {
namespace {

/// <u - v, g>, in double precision.
double DotDifference(const at::Tensor& u, const at::Tensor& v, const at::Tensor& g) {
  const auto *a = u.const_data_ptr<float>(), *b = v.const_data_ptr<float>(),
             *c = g.const_data_ptr<float>();
  double sum = 0;
  for (int64_t i = 0; i < g.numel(); ++i) sum += (double{a[i]} - b[i]) * c[i];
  return sum;
}

class Apfl : public Strategy {
 public:
  struct Options {
    double alpha = 0.5;
    bool adaptive = true;
    template <class V>
    void Visit(V& v) {
      v(alpha, "alpha", "Share of the personal model in a client's model, at first.",
        Between(0, 1));
      v(adaptive, "adaptive", "Each client learns its own alpha.");
    }
  };
  Apfl(const Options& options, const Context& context)
      : options_(options), training_(context.training), size_(context.parameters->size()) {
    RequireSgd(training_, "apfl", "its two models take steps of sgd; got " + training_.optimizer);
    if (context.buffers > 0) {
      throw ConfigError(
          "model: apfl mixes the parameters of two models, and there is no mixture of the running "
          "statistics of batch_norm; use group_norm");
    }
  }

  StrategyNeeds Needs() const override {
    StrategyNeeds needs;
    needs.plain_gradient = true;
    needs.personal = true;
    return needs;
  }
  std::vector<int64_t> ClientState() const override { return {size_, 1}; }

  void Start(ClientTask& task) const override {
    if (!task.first_time) return;
    Copy(task.state[0], task.parameters);
    Fill(task.state[1], static_cast<float>(options_.alpha));
  }

  void Train(ClientTask& task) const override {
    const at::Tensor &w = task.parameters, &v = task.state[0];
    double alpha = task.state[1].item<float>();
    bool first = true;
    LocalRun run;
    run.correct = [&](const at::Tensor&) {
      const at::Tensor vbar = task.local.Scratch(0), gradient = task.local.Scratch(1);
      const at::Tensor momentum = training_.momentum > 0 ? task.local.Scratch(2) : at::Tensor();
      Mix(vbar, alpha, v, w);
      task.local.BatchGradient(vbar, gradient);
      const double slope = first && options_.adaptive ? DotDifference(v, w, gradient) : 0;
      Scale(gradient, alpha);
      if (training_.clip_norm > 0) {
        const double norm = std::sqrt(SquaredNorm(gradient));
        if (norm > training_.clip_norm) Scale(gradient, training_.clip_norm / norm);
      }
      Apply(SgdStep{task.lr, training_.momentum, training_.weight_decay, first}, v, gradient,
            momentum);
      alpha = std::clamp(alpha - task.lr * slope, 0.0, 1.0);
      first = false;
    };
    task.local.Run(task, run);
    if (!std::isfinite(SquaredNorm(v))) {
      throw DivergedError("round " + std::to_string(task.round) + ", client " +
                          std::to_string(task.client) + ": apfl's personal model is not finite; " +
                          "a smaller training.lr or a training.clip_norm may help");
    }
    Fill(task.state[1], static_cast<float>(alpha));
  }

  void Personalize(ClientTask& task) const override {
    if (task.first_time) return;
    const double alpha = task.state[1].item<float>();
    AddScaledDifference(task.parameters, alpha, task.state[0], task.parameters);
  }

 private:
  /// mixed = alpha v + (1 - alpha) w
  static void Mix(const at::Tensor& mixed, double alpha, const at::Tensor& v, const at::Tensor& w) {
    Copy(mixed, w);
    AddScaledDifference(mixed, alpha, v, w);
  }

  Options options_;
  TrainingOptions training_;
  int64_t size_;
};

FLSIM_REGISTER(Strategy, Apfl, "apfl",
               "Each client's mixture of a personal and the global model (Deng et al., 2020).");

}  // namespace
}  // namespace flsim
