// FedRep: a shared representation and a head of each client's own, trained one after the other.
// Collins, Hassani, Mokhtari, Shakkottai (2021), "Exploiting Shared Representations for
// Personalized Federated Learning", Algorithm 1: in each round a client first trains its head on
// the server's representation, then the representation with its new head, and sends back the
// representation.
//   phi   the representation: task.parameters without the layers of `local`
//   h_i   the head, the layers of `local`: client state; the first one is the initial model's
//   tau   head_epochs: updates of the head. The one update of phi in Algorithm 1 is training.epochs
//         (or steps) of them here: the paper's experiments count both in epochs, too
#include "strategies/local_parameters.h"

namespace flsim {
namespace {

class FedRep : public Strategy {
 public:
  struct Options : LocalOptions {
    int64_t head_epochs = 10;
    template <class V>
    void Visit(V& v) {
      LocalOptions::Visit(v);
      v(head_epochs, "head_epochs",
        "Epochs in which only the local layers are trained; then the others are trained as the "
        "options of training say.",
        Between(1, 1e9));
    }
  };
  FedRep(const Options& options, const Context& context)
      : head_epochs_(options.head_epochs), head_(*context.parameters, options) {}

  StrategyNeeds Needs() const override { return head_.Needs(); }
  std::vector<int64_t> ClientState() const override { return {head_.size}; }

  void Start(ClientTask& task) const override { head_.Start(task); }

  void Train(ClientTask& task) const override {
    LocalRun head, representation;
    head.epochs = head_epochs_;
    head.trained = head_.local;
    head.purpose = "fedrep head";
    task.local.Run(task, head);
    representation.trained = head_.shared;
    task.local.Run(task, representation);
  }

  void Finish(ClientTask& task, Update& update) const override { head_.Finish(task, update); }
  void UpdateServer(ServerState& state, Aggregate& aggregate,
                    const ServerOptimizer& optimizer) const override {
    head_.UpdateServer(state, aggregate.delta, optimizer);
  }
  void Personalize(ClientTask& task) const override { head_.Start(task); }

 private:
  int64_t head_epochs_;
  LocalParameters head_;
};

FLSIM_REGISTER(Strategy, FedRep, "fedrep",
               "A shared representation under each client's own head, trained in turn (Collins et "
               "al., 2021).");

}  // namespace
}  // namespace flsim
