// A learning rate that falls by the same factor each round: factor^(t - 1) in round t after the
// warm-up.
#include <cmath>

#include "strategies/schedule.h"

namespace flsim {
namespace {

class Exponential : public Schedule {
 public:
  struct Options : ScheduleOptions {
    double factor = 0.99;
    template <class V>
    void Visit(V& v) {
      v(factor, "factor", "What each round multiplies the learning rate by.", UpTo(0, 1));
      ScheduleOptions::Visit(v);
    }
  };
  Exponential(const Options& options, const Context&) : options_(options) {}

  double Factor(int64_t round) const override {
    return options_.Factor(
        round, [&](int64_t t) { return std::pow(options_.factor, static_cast<double>(t - 1)); });
  }

 private:
  Options options_;
};

FLSIM_REGISTER(Schedule, Exponential, "exponential", "Multiplied by a factor every round.");

}  // namespace
}  // namespace flsim
