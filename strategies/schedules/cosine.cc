// Cosine annealing without restarts: Loshchilov and Hutter (2017), "SGDR: Stochastic Gradient
// Descent with Warm Restarts", equation 5.
//   factor = final + (1 - final) / 2 * (1 + cos(pi (t - 1) / T))   in round t after the warm-up,
// where T = rounds - warmup_rounds; `final` from t = T + 1 on. As in PyTorch's CosineAnnealingLR
// the last of the T rounds is one step short of `final`.
#include <cmath>

#include "strategies/schedule.h"

namespace flsim {
namespace {

constexpr double kPi = 3.14159265358979323846;

class Cosine : public Schedule {
 public:
  struct Options : ScheduleOptions {
    std::optional<int64_t> rounds;
    double final = 0.001;
    template <class V>
    void Visit(V& v) {
      v(rounds, "rounds",
        "The round after which the learning rate stays at its final value, warm-up included; if "
        "left out, the experiment's rounds.",
        Between(1, 4294967295.0));
      v(final, "final", "Factor at the end.", UpTo(0, 1));
      ScheduleOptions::Visit(v);
    }
    void Check(Problems& problems, const std::string& path) {
      if (rounds && *rounds <= warmup_rounds) {
        // Of the two, the one that is never given by default.
        problems.Add(JoinPath(path, "warmup_rounds"),
                     "must be less than the rounds of the cosine (" + std::to_string(*rounds) +
                         "; by default the experiment's), got " + std::to_string(warmup_rounds));
      }
    }
  };
  Cosine(const Options& options, const Context& context)
      : options_(options), rounds_(options.rounds.value_or(context.rounds)) {}

  double Factor(int64_t round) const override {
    return options_.Factor(round, [&](int64_t t) {
      const int64_t span = std::max<int64_t>(1, rounds_ - options_.warmup_rounds);
      if (t > span) return options_.final;
      const double part = static_cast<double>(t - 1) / static_cast<double>(span);
      return options_.final + (1 - options_.final) / 2 * (1 + std::cos(kPi * part));
    });
  }

 private:
  Options options_;
  int64_t rounds_;
};

FLSIM_REGISTER(Schedule, Cosine, "cosine",
               "Along half a cosine to a final value (Loshchilov and Hutter, 2017).");

}  // namespace
}  // namespace flsim
