// FedBABU: the body is trained, the head never is; each client gets its model by fine-tuning.
// Oh, Kim, Yun (2022), "FedBABU: Toward Enhanced Representation for Federated Image
// Classification", Algorithm 1: local training updates the body only, with one random head that all
// clients share for good. A client's own model is the global one, fine-tuned on its examples just
// before evaluation.
//   theta_ext  the body: task.parameters without the layers of `local`
//   theta_cls  the head, the layers of `local`: as initialised
// Fine-tuning is that of evaluation.fine_tune_epochs (5 by default) and trains body and head; the
// paper also has it of either alone. Nothing of it is kept or sent back.
#include "strategies/local_parameters.h"

namespace flsim {
namespace {

class FedBabu : public Strategy {
 public:
  using Options = LocalOptions;
  FedBabu(const Options& options, const Context& context) : head_(*context.parameters, options) {}

  StrategyNeeds Needs() const override {
    StrategyNeeds needs = head_.Needs();
    needs.fine_tune_epochs = 5;
    return needs;
  }

  void Train(ClientTask& task) const override {
    LocalRun body;
    body.trained = head_.shared;
    task.local.Run(task, body);
  }

  void UpdateServer(ServerState& state, Aggregate& aggregate,
                    const ServerOptimizer& optimizer) const override {
    head_.UpdateServer(state, aggregate.delta, optimizer);
  }

 private:
  LocalParameters head_;
};

FLSIM_REGISTER(
    Strategy, FedBabu, "fedbabu",
    "Trains the body under a fixed head; clients fine-tune before evaluation (Oh et al., "
    "2022).");

}  // namespace
}  // namespace flsim
