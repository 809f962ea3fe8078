// FedAvg: the next model is the weighted mean of the clients' models.
// McMahan, Moore, Ramage, Hampson, Agüera y Arcas (2017), "Communication-Efficient Learning of Deep
// Networks from Decentralized Data", Algorithm 1. Plain local training, then a server step along
// the mean of w0 - w (with the default server optimizer, sgd of learning rate 1, exactly the mean
// of the models).
#include "strategies/strategy.h"

namespace flsim {
namespace {

class FedAvg : public Strategy {
 public:
  struct Options {
    template <class V>
    void Visit(V& v) {}
  };
  FedAvg(const Options&, const Context&) {}

  StrategyNeeds Needs() const override {
    StrategyNeeds needs;
    needs.plain_gradient = true;
    return needs;
  }
};

FLSIM_REGISTER(Strategy, FedAvg, "fedavg",
               "Weighted mean of the clients' models (McMahan et al., 2017).");

}  // namespace
}  // namespace flsim
