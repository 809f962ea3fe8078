// SCAFFOLD: control variates take the clients' drift out of local training.
// Karimireddy, Kale, Mohri, Reddi, Stich, Suresh (2020), "SCAFFOLD: Stochastic Controlled Averaging
// for Federated Learning", Algorithm 1. N clients, cohort S, K local steps of learning rate lr:
//   w <- w - lr (g_i(w) - c_i + c)                        each local step
//   c_i+ = g_i(w0)                                        option I: one more pass over the data
//   c_i+ = c_i - c + (w0 - w) / (K lr)                    option II
//   c <- c + |S|/N mean_S(c_i+ - c_i)
//   w  task.parameters   w0  task.server.parameters   c_i  task.state[0]   c  "scaffold.c"
//
// Models are averaged by the aggregator's weights, control variates uniformly, as in the paper. At
// its fixed point no client moves and c = 0, so SCAFFOLD ends at the optimum of the plain mean of
// the clients' objectives, whatever the weights.
// The server's learning rate (eta_g) is the server optimizer's. With local momentum b, K becomes
// ||a||_1 = sum over the steps of (1 - b^k) / (1 - b), what K steps of a constant gradient add up
// to (as in FedNova); dividing by K itself, as peers do, inflates c_i up to 1 / (1 - b) times.
// Weight decay counts as part of the objective in option II. training.clip_norm clips the corrected
// gradient, and option II then recovers the clipped mean.
#include "engine/core/error.h"
#include "engine/core/vector_ops.h"
#include "strategies/local_sgd.h"
#include "strategies/strategy.h"

namespace flsim {
namespace {

constexpr const char* kC = "scaffold.c";

class Scaffold : public Strategy {
 public:
  struct Options {
    int64_t option = 2;
    template <class V>
    void Visit(V& v) {
      v(option, "option",
        "A client's new control variate: 1, its full gradient at the global model; 2, the mean of "
        "the gradients that it used.",
        Between(1, 2));
    }
  };
  Scaffold(const Options& options, const Context& context)
      : option_(options.option), training_(context.training), parameters_(context.parameters) {
    RequireSgd(training_, "scaffold", RescalesCorrections(training_));
  }

  StrategyNeeds Needs() const override {
    StrategyNeeds needs;
    needs.data = option_ == 1;
    needs.vectors_down = 1;  // c
    return needs;
  }

  std::vector<int64_t> ClientState() const override { return {parameters_->size()}; }

  void InitState(ServerState& state) const override {
    state.tensors[kC] = Zeros(state.parameters.numel(), state.parameters.device());
  }

  void CorrectGradient(const ClientTask& task, const at::Tensor& gradient) const override {
    AddScaledDifference(gradient, 1, task.server.tensors.at(kC), task.state[0]);
  }

  void Finish(ClientTask& task, Update& update) const override {
    const at::Tensor& c_i = task.state[0];
    const at::Tensor& change = task.local.Scratch(0);  // c_i+ - c_i
    if (option_ == 1) {
      task.local.FullGradient(task, task.server.parameters, change);
      AddScaled(change, -1, c_i);
    } else {
      ControlVariateChange(training_, task, update.delta, task.server.tensors.at(kC), change);
    }
    AddScaled(c_i, 1, change);
    update.extras.push_back(change);
  }

  void UpdateServer(ServerState& state, Aggregate& aggregate,
                    const ServerOptimizer& optimizer) const override {
    const double cohort = static_cast<double>(aggregate.clients.size());
    AddScaled(state.tensors.at(kC), cohort / static_cast<double>(state.clients),
              aggregate.extras.at(0));
    optimizer.Step(state, aggregate.delta);
  }

 private:
  int64_t option_;
  TrainingOptions training_;
  const ParameterLayout* parameters_;
};

FLSIM_REGISTER(Strategy, Scaffold, "scaffold",
               "Control variates against client drift (Karimireddy et al., 2020).");

}  // namespace
}  // namespace flsim
