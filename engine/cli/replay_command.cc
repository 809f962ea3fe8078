// flsim replay: a strategy's side on recorded updates.
#include <cstdio>
#include <iostream>

#include "engine/cli/commands.h"
#include "engine/cli/progress.h"
#include "engine/cli/signals.h"
#include "engine/cli/summary.h"
#include "engine/experiment/replay.h"

namespace flsim {

int ReplayCommand(const ReplayFlags& flags) {
  Experiment experiment = Experiment::Read(flags.config.config, flags.config.set);
  const Recording recording = ReadRecording(flags.updates);
  RunFolder folder(flags.output.out,
                   flags.output.force ? ExistingRun::kReplace : ExistingRun::kRefuse,
                   experiment.resolved(), FolderOf::kReplay);
  const std::string progress = ProgressKind(flags.output.progress);
  const bool quiet = progress == "none";
  const auto note = [quiet](const std::string& text) {
    if (!quiet) std::fprintf(stderr, "replay: %s\n", text.c_str());
  };
  if (!quiet) std::fprintf(stderr, "%s\n", Headline(experiment).c_str());

  StopOnSignals();
  History history;
  std::vector<RecordSink*> sinks = {&history};
  auto console = MakeProgress(progress, static_cast<int64_t>(recording.rounds.size()));
  if (console) sinks.push_back(console.get());
  const RunResult result = Replay(experiment, recording, folder, sinks, StopRequested(), note);
  console.reset();

  const RunSummary& summary = result.summary;
  if (!quiet) std::cout << ClosingText(experiment, result, history, folder.path()) << std::flush;
  if (summary.status == "interrupted") throw InterruptedError(summary.reason);
  if (summary.status == "diverged") throw DivergedError(summary.reason);
  return 0;
}

}  // namespace flsim
