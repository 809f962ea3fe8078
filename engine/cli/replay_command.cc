// flsim replay: a strategy's side on recorded updates.
#include <cstdio>
#include <filesystem>
#include <iostream>

#include "engine/cli/commands.h"
#include "engine/cli/signals.h"
#include "engine/cli/summary.h"
#include "engine/experiment/replay.h"

namespace flsim {
namespace {

/// Prints a line for each round.
class RoundLines : public RecordSink {
 public:
  void Round(const RoundRecord& record) override {
    std::printf("round %lld", static_cast<long long>(record.round));
    if (record.round > 0) {
      std::printf("  %zu clients", record.cohort.size());
      if (record.update_norm) std::printf("  update norm %.6g", *record.update_norm);
    }
    if (record.test) {
      std::printf("  test loss %.6g", record.test->loss);
      if (record.test->accuracy) std::printf("  test accuracy %.4f", *record.test->accuracy);
    }
    std::printf("\n");
    std::fflush(stdout);
  }
};

}  // namespace

int ReplayCommand(const ConfigFlags& flags, const std::string& updates, const std::string& out) {
  std::error_code ignored;
  for (const char* file : {"global-0000.safetensors", "rounds.jsonl", "config.json"}) {
    if (!std::filesystem::exists(out + "/" + file, ignored)) continue;
    throw ConfigError(out + " already holds a run or a replay; choose another folder with --out");
  }
  Experiment experiment = Experiment::Read(flags.config, flags.set);
  std::fprintf(stderr, "%s\n", Headline(experiment).c_str());
  StopOnSignals();
  RoundLines lines;
  const int64_t rounds =
      Replay(experiment, updates, out, {&lines}, StopRequested(),
             [](const std::string& text) { std::fprintf(stderr, "flsim: %s\n", text.c_str()); });
  std::cout << rounds << (rounds == 1 ? " round" : " rounds") << " of " << updates
            << " replayed into " << out << "\n";
  return 0;
}

}  // namespace flsim
