// FedPer: the last layers stay with the client.
// Arivazhagan, Aggarwal, Singh, Choudhary (2019), "Federated Learning with Personalization Layers",
// Algorithms 1 and 2: a client trains base and personalization layers together, on from the
// server's base layers and its own personalization layers, and sends back the base layers only.
//   W_B   task.parameters without the layers of `local`
//   W_Pk  those of `local`: client state
// In the paper each client draws its own initial W_Pk; ours all start from the initial model's.
#include "strategies/local_parameters.h"

namespace flsim {
namespace {

class FedPer : public Strategy {
 public:
  using Options = LocalOptions;
  FedPer(const Options& options, const Context& context) : head_(*context.parameters, options) {}

  StrategyNeeds Needs() const override { return head_.Needs(); }
  std::vector<int64_t> ClientState() const override { return {head_.size}; }

  void Start(ClientTask& task) const override { head_.Start(task); }
  void Finish(ClientTask& task, Update& update) const override { head_.Finish(task, update); }
  void UpdateServer(ServerState& state, Aggregate& aggregate,
                    const ServerOptimizer& optimizer) const override {
    head_.UpdateServer(state, aggregate.delta, optimizer);
  }
  void Personalize(ClientTask& task) const override { head_.Start(task); }

 private:
  LocalParameters head_;
};

FLSIM_REGISTER(Strategy, FedPer, "fedper",
               "The last layers stay with the client (Arivazhagan et al., 2019).");

}  // namespace
}  // namespace flsim
