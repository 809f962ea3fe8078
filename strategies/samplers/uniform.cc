// Every round a cohort of fixed size, drawn uniformly without replacement.
#include <algorithm>
#include <cmath>
#include <unordered_set>

#include "strategies/sampler.h"

namespace flsim {
namespace {

class Uniform : public Sampler {
 public:
  struct Options {
    std::optional<int64_t> cohort;
    std::optional<double> fraction;
    template <class V>
    void Visit(V& v) {
      v(cohort, "cohort", "Clients per round.", AtLeast(1));
      v(fraction, "fraction",
        "Clients per round as a part of the population (rounded, at least one); 0.1 if cohort is "
        "absent too.",
        [] {
          Accepts accepts = GreaterThan(0);
          accepts.max = 1;
          return accepts;
        }());
    }
    void Check(Problems& problems, const std::string& path) {
      if (cohort && fraction)
        problems.Add(JoinPath(path, "fraction"), "give either cohort or fraction, not both");
      if (!cohort && !fraction) fraction = 0.1;
    }
  };
  Uniform(const Options& options, const Context&) : options_(options) {}

  void CheckPopulation(int64_t clients, const std::string& path,
                       Problems& problems) const override {
    if (options_.cohort && *options_.cohort > clients) {
      problems.Add(JoinPath(path, "cohort"), "must be at most " + std::to_string(clients) +
                                                 " (the clients of the partition), got " +
                                                 std::to_string(*options_.cohort));
    }
  }

  std::vector<int64_t> Sample(int64_t clients, Rng rng) const override {
    const int64_t cohort =
        options_.cohort
            ? *options_.cohort
            : std::max<int64_t>(1, std::llround(*options_.fraction * static_cast<double>(clients)));
    // Floyd's algorithm (Bentley and Floyd, 1987): one draw for each member, whatever the
    // population.
    std::unordered_set<int64_t> members;
    members.reserve(static_cast<size_t>(cohort));
    for (int64_t j = clients - cohort; j < clients; ++j) {
      const auto drawn = static_cast<int64_t>(rng.Below(static_cast<uint64_t>(j) + 1));
      if (!members.insert(drawn).second) members.insert(j);
    }
    std::vector<int64_t> sorted(members.begin(), members.end());
    std::sort(sorted.begin(), sorted.end());
    return sorted;
  }

 private:
  Options options_;
};

FLSIM_REGISTER(Sampler, Uniform, "uniform",
               "A cohort of fixed size, drawn uniformly without replacement.");

}  // namespace
}  // namespace flsim
