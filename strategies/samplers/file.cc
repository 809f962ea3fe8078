// Cohorts that a file lists: JSON, a list with a list of client ids for each round, in any order;
// a round's list may be empty.
//   [[0, 4, 7], [2, 4, 9], ...]
#include <algorithm>

#include "engine/core/files.h"
#include "strategies/sampler.h"

namespace flsim {
namespace {

class File : public Sampler {
 public:
  struct Options : SamplerOptions {
    std::string path;
    bool repeat = false;
    template <class V>
    void Visit(V& v) {
      v(path, "path",
        "JSON file with a list of client ids for each round: [[0, 4, 7], [2, 4, 9]].");
      v(repeat, "repeat",
        "Begins with the first list again after the last; else a round without a list is refused.");
      SamplerOptions::Visit(v);
    }
    void Check(Problems& problems, const std::string& at) {
      if (path.empty()) {
        problems.Add(JoinPath(at, "path"),
                     "missing; name a JSON file with a list of client ids for each round");
      }
    }
  };
  File(const Options& options, const Context& context) : Sampler(options), options_(options) {
    const Json lists = Read(options.path);
    if (!lists.is_array() || lists.empty())
      Refuse("expected a list with a list of client ids for each round, got " + Shown(lists));
    for (const Json& list : lists) {
      cohorts_.emplace_back();
      if (!list.is_array()) Refuse(Round() + "expected a list of client ids, got " + Shown(list));
      for (const Json& id : list) cohorts_.back().push_back(Client(id));
      std::sort(cohorts_.back().begin(), cohorts_.back().end());
      const auto twice = std::adjacent_find(cohorts_.back().begin(), cohorts_.back().end());
      if (twice != cohorts_.back().end())
        Refuse(Round() + "client " + std::to_string(*twice) + " stands twice");
    }
    if (context.rounds > static_cast<int64_t>(cohorts_.size()) && !options.repeat) {
      Refuse("it has lists for " + std::to_string(cohorts_.size()) +
             " rounds, the experiment has " + std::to_string(context.rounds) +
             "; set sampler.repeat to begin again");
    }
  }

  void CheckPopulation(int64_t clients, const std::string& path,
                       Problems& problems) const override {
    for (size_t i = 0; i < cohorts_.size(); ++i) {
      if (cohorts_[i].empty() || cohorts_[i].back() < clients) continue;
      return problems.Add(JoinPath(path, "path"),
                          options_.path + ": round " + std::to_string(i + 1) + ": client " +
                              std::to_string(cohorts_[i].back()) + " must be at most " +
                              std::to_string(clients - 1) + " (the partition has " +
                              std::to_string(clients) + " clients)");
    }
  }
  int64_t CohortSize(int64_t) const override { return 0; }

  std::vector<int64_t> Sample(const SamplingRound& round) const override {
    const auto index = static_cast<size_t>(round.round - 1);
    FLSIM_CHECK(index < cohorts_.size() || options_.repeat, index);
    return cohorts_[index % cohorts_.size()];
  }

  // Of the lists up to the last one used: more may be added for more rounds.
  std::string FileHash(int64_t rounds) const override {
    Json used = Json::array();
    for (size_t i = 0; i < cohorts_.size() && i < static_cast<size_t>(rounds); ++i) {
      used.push_back(cohorts_[i]);
    }
    return Sha256(used.dump());
  }

 private:
  static Json Read(const std::string& path) {
    try {
      return ReadJsonFile(path);
    } catch (const ConfigError& error) {
      throw ConfigError(std::string("sampler.path: ") + error.what());
    }
  }
  [[noreturn]] void Refuse(const std::string& why) const {
    throw ConfigError("sampler.path: " + options_.path + ": " + why);
  }
  /// Names the round that is being read.
  std::string Round() const { return "round " + std::to_string(cohorts_.size()) + ": "; }
  int64_t Client(const Json& id) const {
    constexpr uint64_t kMax = 4294967294;  // one below the largest population
    if (!id.is_number_unsigned() || id.get<uint64_t>() > kMax)
      Refuse(Round() + "expected a client id (an integer, at least 0), got " + Shown(id));
    return id.get<int64_t>();
  }

  Options options_;
  std::vector<std::vector<int64_t>> cohorts_;
};

FLSIM_REGISTER(Sampler, File, "file", "The cohorts that a file lists.");

}  // namespace
}  // namespace flsim
