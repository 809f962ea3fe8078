// MOON: local features are drawn to the global model's and away from the client's previous ones.
// Li, He, Song (2021), "Model-Contrastive Federated Learning", Algorithm 1 and equation (3): a
// client's loss is l_sup + mu l_con, the mean over a batch of
//   l_con = -log( exp(sim(z, z_glob)/tau) / (exp(sim(z, z_glob)/tau) + exp(sim(z, z_prev)/tau)) )
//         = log(1 + exp((sim(z, z_prev) - sim(z, z_glob))/tau)),        sim: the cosine
//   z       features of the local model   z_glob  of the global model, task.server.parameters
//   z_prev  of the client's local model at the end of its last round: client state
//   tau     temperature
// The paper adds a projection head to the network and takes its output for z; we leave the network
// as it is: z is the input of its last layer. In a client's first round there is no previous model
// and so no l_con, as in the authors' code, whose list of previous models is empty then. Running
// statistics (batch_norm) are the local model's for z_glob and z_prev, batch statistics for z.
#include <ATen/ops/cosine_similarity.h>
#include <ATen/ops/softplus.h>

#include "engine/core/vector_ops.h"
#include "strategies/local_parameters.h"

namespace flsim {
namespace {

class Moon : public Strategy {
 public:
  struct Options {
    double mu = 1, temperature = 0.5;
    template <class V>
    void Visit(V& v) {
      v(mu, "mu", "Weight of the contrastive term; 0 gives FedAvg.", AtLeast(0));
      v(temperature, "temperature", "tau: the smaller, the sharper the contrast.", GreaterThan(0));
    }
  };
  Moon(const Options& options, const Context& context)
      : options_(options), size_(context.parameters->size()) {
    const auto& slots = context.parameters->slots();
    if (LayerId(slots.front()) == LayerId(slots.back())) {
      throw ConfigError(
          "model: moon contrasts what the layers below the last one learn; this model "
          "has one layer with parameters");
    }
  }

  StrategyNeeds Needs() const override {
    StrategyNeeds needs;
    needs.features = options_.mu > 0;
    needs.plain_gradient = true;
    return needs;
  }
  std::vector<int64_t> ClientState() const override { return {size_}; }

  at::Tensor FeatureLoss(const ClientTask& task, const at::Tensor& z) const override {
    if (task.first_time) return {};
    const auto similarity = [&](const at::Tensor& parameters) {
      return at::cosine_similarity(z, task.local.Features(parameters), /*dim=*/1);
    };
    const at::Tensor glob = similarity(task.server.parameters), prev = similarity(task.state[0]);
    return at::softplus(prev.sub(glob).div(options_.temperature)).mean().mul(options_.mu);
  }

  void Train(ClientTask& task) const override {
    task.local.Run(task, {});
    Copy(task.state[0], task.parameters);
  }

 private:
  Options options_;
  int64_t size_;
};

FLSIM_REGISTER(Strategy, Moon, "moon", "FedAvg with a model-contrastive loss (Li et al., 2021).");

}  // namespace
}  // namespace flsim
