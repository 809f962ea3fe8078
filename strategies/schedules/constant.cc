// The same learning rate in every round: factor 1.
#include "strategies/schedule.h"

namespace flsim {
namespace {

class Constant : public Schedule {
 public:
  using Options = ScheduleOptions;
  Constant(const Options& options, const Context&) : options_(options) {}

  double Factor(int64_t round) const override {
    return options_.Factor(round, [](int64_t) { return 1.0; });
  }

 private:
  Options options_;
};

FLSIM_REGISTER(Schedule, Constant, "constant", "The same learning rate in every round.");

}  // namespace
}  // namespace flsim
