// A learning rate that falls in steps: factor^floor((t - 1) / every) in round t after the warm-up.
#include <cmath>

#include "strategies/schedule.h"

namespace flsim {
namespace {

class Step : public Schedule {
 public:
  struct Options : ScheduleOptions {
    int64_t every = 30;
    double factor = 0.1;
    template <class V>
    void Visit(V& v) {
      v(every, "every", "Rounds from one step to the next.", Between(1, 1e9));
      v(factor, "factor", "What each step multiplies the learning rate by.", UpTo(0, 1));
      ScheduleOptions::Visit(v);
    }
  };
  Step(const Options& options, const Context&) : options_(options) {}

  double Factor(int64_t round) const override {
    return options_.Factor(round, [&](int64_t t) {
      return std::pow(options_.factor, static_cast<double>((t - 1) / options_.every));
    });
  }

 private:
  Options options_;
};

FLSIM_REGISTER(Schedule, Step, "step", "Multiplied by a factor every so many rounds.");

}  // namespace
}  // namespace flsim
