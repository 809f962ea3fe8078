// flsim --config F: the run itself.
#include <cstdio>
#include <filesystem>
#include <iostream>

#include "engine/cli/commands.h"
#include "engine/cli/print_values.h"
#include "engine/cli/progress.h"
#include "engine/cli/signals.h"
#include "engine/cli/summary.h"
#include "engine/core/error.h"
#include "engine/experiment/run.h"
#include "engine/experiment/summary_shape.h"

namespace flsim {
namespace {

ExistingRun Existing(const RunFlags& flags) {
  if (flags.resume) return ExistingRun::kResume;
  return flags.output.force ? ExistingRun::kReplace : ExistingRun::kRefuse;
}

}  // namespace

int RunCommand(const RunFlags& flags) {
  Experiment experiment = Experiment::Read(flags.config.config, flags.config.set);
  const ExperimentConfig& config = experiment.config();
  if (!flags.print.empty())
    RequireValues(SummaryShape(experiment), flags.print, "the summary of this run");
  const std::string& out = flags.output.out;
  RunFolder folder(out.empty() ? config.output.dir + "/" + config.name : out, Existing(flags),
                   experiment.resolved());
  const std::string progress = ProgressKind(flags.output.progress);
  const bool quiet = progress == "none";

  if (!quiet) {
    std::fprintf(stderr, "%s\n%s", Headline(experiment).c_str(),
                 WarningLines(experiment.Warnings()).c_str());
    if (flags.resume && !folder.has_checkpoint()) {
      std::fprintf(stderr,
                   "%s holds no checkpoint to resume from: the run starts from the beginning\n",
                   folder.path().c_str());
    }
  }
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
  if (!quiet && flags.resume && result.first_round == config.rounds) {
    std::fprintf(stderr, "all %s rounds were done before; nothing was left to do\n",
                 ShowInteger(config.rounds).c_str());
  }
  const bool shown = !quiet && flags.print.empty();
  if (shown && result.first_round > 0) history = History(ReadRun(folder.path()));
  if (shown) std::cout << ClosingText(experiment, result, history, folder.path()) << std::flush;
  if (summary.status == "interrupted") {
    const bool kept = std::filesystem::exists(folder.CheckpointFile());
    throw InterruptedError(summary.reason + (kept ? "; checkpoint written, go on with --resume"
                                                  : "; nothing was trained yet"));
  }
  if (summary.status == "diverged") throw DivergedError(summary.reason);
  if (flags.print.empty()) return 0;
  const std::string file = folder.File("summary.json");
  const Json written = ReadJsonFile(file);
  RequireValues(written, flags.print, file);
  std::cout << ShowValues(written, flags.print);
  return 0;
}

}  // namespace flsim
