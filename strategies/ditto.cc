// Ditto: each client has a personal model beside the global one, drawn towards it.
// Li, Hu, Beirami, Smith (2021), "Ditto: Fair and Robust Federated Learning Through
// Personalization", Algorithm 1: the global model trains as FedAvg; then a client takes local steps
// on h_k(v; w^t) = F_k(v) + lambda/2 ||v - w^t||^2, in which w^t is the global model it was sent.
//   w^t  task.server.parameters          s  epochs
//   v_k  the personal model, client state; starts as the first w^t that the client is sent
// Order: as in Algorithm 1. The authors' code takes the two kinds of steps in turn, on the same
// batches; as neither model's steps look at the other's, only the draws of batches differ. The
// personal model has running statistics (batch_norm) of its own, which the paper does not speak of.
#include "engine/core/vector_ops.h"
#include "strategies/strategy.h"

namespace flsim {
namespace {

class Ditto : public Strategy {
 public:
  struct Options {
    double lambda = 1;
    std::optional<int64_t> epochs;
    template <class V>
    void Visit(V& v) {
      v(lambda, "lambda",
        "Pull of the personal models towards the global one; 0 makes them local training.",
        AtLeast(0));
      v(epochs, "epochs", "Epochs of the personal model per round; if absent, as training says.",
        Between(1, 1e9));
    }
  };
  Ditto(const Options& options, const Context& context)
      : options_(options), parameters_(context.parameters->size()), buffers_(context.buffers) {}

  StrategyNeeds Needs() const override {
    StrategyNeeds needs;
    needs.plain_gradient = true;
    needs.personal = true;
    return needs;
  }
  std::vector<int64_t> ClientState() const override {
    if (buffers_ == 0) return {parameters_};
    return {parameters_, buffers_};
  }

  void Start(ClientTask& task) const override {
    if (task.first_time) Keep(task);
  }

  void Train(ClientTask& task) const override {
    task.local.Run(task, {});
    const at::Tensor w_k = task.local.Scratch(0);
    const at::Tensor w_k_buffers = task.buffers.clone();
    Copy(w_k, task.parameters);

    TakeUp(task);
    LocalRun personal;
    personal.epochs = options_.epochs;
    personal.correct = [&](const at::Tensor& gradient) {
      AddScaledDifference(gradient, options_.lambda, task.parameters, task.server.parameters);
    };
    personal.purpose = "ditto personal";
    personal.counted = false;
    task.local.Run(task, personal);
    Keep(task);

    Copy(task.parameters, w_k);
    Copy(task.buffers, w_k_buffers);
  }

  void Personalize(ClientTask& task) const override {
    if (!task.first_time) TakeUp(task);
  }

 private:
  void TakeUp(ClientTask& task) const {
    Copy(task.parameters, task.state[0]);
    if (buffers_ > 0) Copy(task.buffers, task.state[1]);
  }
  void Keep(ClientTask& task) const {
    Copy(task.state[0], task.parameters);
    if (buffers_ > 0) Copy(task.state[1], task.buffers);
  }

  Options options_;
  int64_t parameters_, buffers_;
};

FLSIM_REGISTER(Strategy, Ditto, "ditto",
               "FedAvg with a personal model for each client, drawn towards the global one (Li et "
               "al., 2021).");

}  // namespace
}  // namespace flsim
