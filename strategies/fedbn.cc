// FedBN: norm layers stay with the client.
// Li, Jiang, Zhang, Kamp, Dou (2021), "FedBN: Federated Learning on Non-IID Features via Local
// Batch Normalization", Algorithm 1: every client trains the whole model; all but the parameters
// (gamma, beta) and running statistics of the BatchNorm layers is averaged.
//   w_BN,k  the parameters of batch_norm layers: client state; the engine keeps their statistics
// Beyond the paper group_norm layers are local too: they have no statistics, but the same
// parameters.
#include "strategies/local_parameters.h"

namespace flsim {
namespace {

bool IsNorm(const ParameterSlot& slot) {
  return slot.layer == "batch_norm" || slot.layer == "group_norm";
}

class FedBn : public Strategy {
 public:
  struct Options {
    template <class V>
    void Visit(V& v) {}
  };
  FedBn(const Options&, const Context& context) : norms_(*context.parameters, IsNorm, "model") {
    if (norms_.local.empty()) {
      throw ConfigError(
          "model: fedbn keeps norm layers with the clients and this model has none; use one with "
          "batch_norm or group_norm layers, or strategy fedavg");
    }
  }

  StrategyNeeds Needs() const override {
    StrategyNeeds needs = norms_.Needs();
    needs.local_buffers = true;
    return needs;
  }
  std::vector<int64_t> ClientState() const override { return {norms_.size}; }

  void Start(ClientTask& task) const override { norms_.Start(task); }
  void Finish(ClientTask& task, Update& update) const override { norms_.Finish(task, update); }
  void UpdateServer(ServerState& state, Aggregate& aggregate,
                    const ServerOptimizer& optimizer) const override {
    norms_.UpdateServer(state, aggregate.delta, optimizer);
  }
  void Personalize(ClientTask& task) const override { norms_.Start(task); }

 private:
  LocalParameters norms_;
};

FLSIM_REGISTER(Strategy, FedBn, "fedbn",
               "Norm layers and their running statistics stay with the client (Li et al., 2021).");

}  // namespace
}  // namespace flsim
