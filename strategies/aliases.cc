// Names that people type for FedAvg with one other axis of the experiment replaced. Options beside
// such a name go to the component on that axis: {"name": "fedadam", "tau": 0.01}.
#include "strategies/strategy.h"

namespace flsim {
namespace {

// Server optimizers.
FLSIM_ALIAS(Strategy, fedavgm, "fedavgm", "fedavg", "server_optimizer",
            Json{{"name", "sgd"}, {"momentum", 0.9}},
            "FedAvg with server momentum (Hsu et al., 2019).");
FLSIM_ALIAS(Strategy, fedadagrad, "fedadagrad", "fedavg", "server_optimizer",
            Json{{"name", "adagrad"}}, "FedAvg with server Adagrad (Reddi et al., 2021).");
FLSIM_ALIAS(Strategy, fedadam, "fedadam", "fedavg", "server_optimizer", Json{{"name", "adam"}},
            "FedAvg with server Adam (Reddi et al., 2021).");
FLSIM_ALIAS(Strategy, fedyogi, "fedyogi", "fedavg", "server_optimizer", Json{{"name", "yogi"}},
            "FedAvg with server Yogi (Reddi et al., 2021).");
FLSIM_ALIAS(Strategy, fedopt, "fedopt", "fedavg", "server_optimizer", Json{{"name", "adam"}},
            "The general name of FedAvg with any server optimizer (Reddi et al., 2021, Algorithm "
            "1); here with adam. For another: strategy fedavg and server_optimizer.");

// Aggregators.
FLSIM_ALIAS(Strategy, fedmedian, "fedmedian", "fedavg", "aggregator", Json{{"name", "median"}},
            "FedAvg with the median of each coordinate (Yin et al., 2018).");
FLSIM_ALIAS(Strategy, fedtrimmedavg, "fedtrimmedavg", "fedavg", "aggregator",
            Json{{"name", "trimmed_mean"}},
            "FedAvg with the trimmed mean of each coordinate (Yin et al., 2018).");
FLSIM_ALIAS(Strategy, krum, "krum", "fedavg", "aggregator", Json{{"name", "krum"}},
            "FedAvg with the update nearest to its neighbours (Blanchard et al., 2017).");
FLSIM_ALIAS(Strategy, multikrum, "multikrum", "fedavg", "aggregator", Json{{"name", "multikrum"}},
            "FedAvg with the mean of the updates that Krum ranks first (Blanchard et al., 2017).");
FLSIM_ALIAS(
    Strategy, bulyan, "bulyan", "fedavg", "aggregator", Json{{"name", "bulyan"}},
    "FedAvg with a trimmed mean of the updates that Krum selects (El Mhamdi et al., 2018).");
FLSIM_ALIAS(Strategy, rfa, "rfa", "fedavg", "aggregator",
            Json{{"name", "geometric_median"}, {"weighting", "examples"}},
            "FedAvg with the geometric median of the updates (Pillutla et al., 2022).");

}  // namespace
}  // namespace flsim
