// flsim --config F: the run itself.
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <iostream>

#include "engine/cli/commands.h"
#include "engine/cli/progress.h"
#include "engine/cli/signals.h"
#include "engine/cli/summary.h"
#include "engine/experiment/run.h"

namespace flsim {
namespace {

ExistingRun Existing(const RunFlags& flags) {
  if (flags.resume) return ExistingRun::kResume;
  return flags.force ? ExistingRun::kReplace : ExistingRun::kRefuse;
}

}  // namespace

int RunCommand(const RunFlags& flags) {
  Experiment experiment = Experiment::Read(flags.config.config, flags.config.set);
  const ExperimentConfig& config = experiment.config();
  RunFolder folder(flags.out.empty() ? config.output.dir + "/" + config.name : flags.out,
                   Existing(flags), experiment.resolved());
  const bool on_terminal = isatty(STDERR_FILENO) != 0;
  const std::string progress = !flags.progress.empty() ? flags.progress
                               : on_terminal           ? "bar"
                                                       : "plain";
  const bool quiet = progress == "none";

  if (!quiet) std::fprintf(stderr, "%s\n", Headline(experiment).c_str());
  experiment.Load();
  if (!quiet) std::fprintf(stderr, "%s\n", DataLine(experiment).c_str());

  StopOnSignals();
  History history;
  std::vector<RecordSink*> sinks = {&history};
  auto console = MakeProgress(progress, config.rounds);
  if (console) sinks.push_back(console.get());
  const RunResult result = Run(experiment, folder, sinks, StopRequested());
  console.reset();

  const RunSummary& summary = result.summary;
  if (!quiet) std::cout << ClosingText(experiment, result, history, folder.path()) << std::flush;
  if (summary.status == "interrupted") {
    const bool kept = std::filesystem::exists(folder.CheckpointFile());
    throw InterruptedError(summary.reason + (kept ? "; checkpoint written, go on with --resume"
                                                  : "; nothing was trained yet"));
  }
  if (summary.status == "diverged") throw DivergedError(summary.reason);
  return 0;
}

}  // namespace flsim
