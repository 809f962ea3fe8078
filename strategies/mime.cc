// Mime and MimeLite: clients imitate centralized SGD with momentum, whose momentum only the server
// moves.
// Karimireddy, Jaggi, Kale, Mohri, Reddi, Stich, Suresh (2021), "Breaking the Centralized Barrier
// for Cross-Device Federated Learning", Algorithm 1 with the base optimizer SGDm (MimeSGDm):
//   c = sum_S p_k grad F_k(w0)                                      full gradients, before training
//   G = g(w) - g(w0) + c, both gradients of the same batch          Mime: as in SVRG
//   G = g(w)                                                        MimeLite
//   w <- w - lr ((1 - beta) G + beta m)                             each local step, m frozen
//   w <- sum_S p_k w_k,   m <- (1 - beta) c + beta m                the server
//   w  task.parameters   w0  task.server.parameters   c  cohort_gradient   m  "mime.momentum"
//
// p_k are the aggregator's weights (1/|S| in the paper; FedJAX weighs by examples too). Weight
// decay is part of every gradient. The paper's other base optimizers (Adam, RMSProp) are not here.
// m starts at 0 and, as in the paper, is not corrected for it.
#include "engine/core/error.h"
#include "engine/core/vector_ops.h"
#include "strategies/local_sgd.h"
#include "strategies/strategy.h"

namespace flsim {
namespace {

constexpr const char* kMomentum = "mime.momentum";

template <bool kLite>
class MimeSgdm : public Strategy {
 public:
  struct Options {
    double beta = 0.9;
    template <class V>
    void Visit(V& v) {
      v(beta, "beta", "Part of a step that is the server's momentum; the rest is gradient.",
        FromBelow(0, 1));
    }
  };
  MimeSgdm(const Options& options, const Context& context)
      : beta_(options.beta), weight_decay_(context.training.weight_decay) {
    const std::string name = kLite ? "mimelite" : "mime";
    RequireSgd(context.training, name,
               "it brings its own optimizer, sgd with the server's momentum");
    if (context.training.momentum != 0) {
      throw ConfigError("training.momentum: " + name +
                        " brings its own momentum (strategy.beta), so must be 0, got " +
                        ShowNumber(context.training.momentum));
    }
  }

  StrategyNeeds Needs() const override {
    StrategyNeeds needs;
    needs.cohort_gradient = true;
    needs.vectors_down = 1;  // m
    return needs;
  }

  void InitState(ServerState& state) const override {
    state.tensors[kMomentum] = Zeros(state.parameters.numel(), state.parameters.device());
  }

  void CorrectGradient(const ClientTask& task, const at::Tensor& gradient) const override {
    if (!kLite) {
      const at::Tensor& at_server = task.local.Scratch(0);
      task.local.BatchGradient(task.server.parameters, at_server);
      AddScaledDifference(gradient, 1, task.cohort_gradient, at_server);
    }
    Scale(gradient, 1 - beta_);
    AddScaled(gradient, beta_, task.server.tensors.at(kMomentum));
    // The trainer adds all of the weight decay of G, of which 1 - beta is due.
    if (weight_decay_ > 0) AddScaled(gradient, -beta_ * weight_decay_, task.parameters);
  }

  void UpdateServer(ServerState& state, Aggregate& aggregate,
                    const ServerOptimizer& optimizer) const override {
    const at::Tensor& m = state.tensors.at(kMomentum);
    Scale(m, beta_);
    AddScaled(m, 1 - beta_, aggregate.cohort_gradient);
    if (weight_decay_ > 0) AddScaled(m, (1 - beta_) * weight_decay_, state.parameters);
    optimizer.Step(state, aggregate.delta);
  }

 private:
  double beta_, weight_decay_;
};

using Mime = MimeSgdm<false>;
using MimeLite = MimeSgdm<true>;

FLSIM_REGISTER(Strategy, Mime, "mime",
               "Imitates centralized SGD with momentum (Karimireddy et al., 2021).");
FLSIM_REGISTER(Strategy, MimeLite, "mimelite",
               "Mime without its correction of gradients (Karimireddy et al., 2021).");

}  // namespace
}  // namespace flsim
