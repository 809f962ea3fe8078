// flsim report: a page about recorded runs, and figures.
#include "engine/cli/report_command.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <thread>

#include "engine/analysis/curves.h"
#include "engine/analysis/figure.h"
#include "engine/analysis/page.h"
#include "engine/analysis/report.h"
#include "engine/cli/commands.h"
#include "engine/cli/signals.h"
#include "engine/cli/summary.h"
#include "engine/core/error.h"
#include "engine/core/files.h"

namespace flsim {
namespace fs = std::filesystem;
namespace {

using Clock = std::chrono::steady_clock;

/// Where the page goes: what the flag says, the one folder that is named, or the current one.
std::string PagePath(const ReportFlags& flags) {
  if (!flags.out.empty()) return flags.out;
  std::error_code ignored;
  const bool folder = flags.runs.size() == 1 && fs::is_directory(flags.runs[0], ignored);
  return folder ? (fs::path(flags.runs[0]) / "report.html").string() : "report.html";
}

bool WritesPage(const ReportFlags& flags) { return flags.figure.empty() || !flags.out.empty(); }

/// Writes what the flags ask for; returns what has been written.
std::string WriteReport(const ReportFlags& flags, bool live) {
  const std::vector<RecordedRun> runs = ReadRuns(flags.runs, flags.where);
  const std::string metric = ChosenMetric(runs, flags.metric);
  std::string text = ShowInteger(static_cast<int64_t>(runs.size())) +
                     (runs.size() == 1 ? " run" : " runs") + " reported in ";
  if (WritesPage(flags)) {
    const std::string page = Page(ReportData(runs, metric, live));
    WriteFileAtomically(PagePath(flags), page);
    text += PagePath(flags) + " (" + ShowInteger(static_cast<int64_t>((page.size() + 999) / 1000)) +
            " kB)";
  }
  if (!flags.figure.empty()) {
    WriteFileAtomically(flags.figure, SvgFigure(runs, metric));
    text += (WritesPage(flags) ? " and " : "") + flags.figure;
  }
  return text;
}

/// Changes whenever a run begins, records a round or ends.
std::string StateOf(const std::vector<std::string>& folders) {
  std::string state;
  for (const std::string& folder : folders) {
    state += folder;
    for (const char* name : {"/rounds.jsonl", "/summary.json", "/clients.csv"}) {
      std::error_code missing;
      const auto size = fs::file_size(folder + name, missing);
      const auto time = fs::last_write_time(folder + name, missing).time_since_epoch().count();
      state += missing ? " -" : " " + std::to_string(size) + "@" + std::to_string(time);
    }
    state += "\n";
  }
  return state;
}

/// Whether a run has written its summary, and no round since (as a resumed one would).
bool HasEnded(const std::string& folder) {
  std::error_code missing;
  const auto summary = fs::last_write_time(folder + "/summary.json", missing);
  return !missing && summary >= fs::last_write_time(folder + "/rounds.jsonl", missing);
}

/// Whether nothing more is to come. A sweep's next trial may begin at any time.
bool AllEnded(const ReportFlags& flags, const std::vector<std::string>& folders) {
  const auto is_sweep = [](const std::string& path) { return Exists(path + "/sweep.json"); };
  return std::none_of(flags.runs.begin(), flags.runs.end(), is_sweep) &&
         std::all_of(folders.begin(), folders.end(), HasEnded);
}

/// Returns early when a signal asks to stop.
void Wait(Clock::duration time) {
  const auto end = Clock::now() + time;
  while (Clock::now() < end && !StopRequested())
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
}

void Watch(const ReportFlags& flags) {
  StopOnSignals();
  std::string state;
  bool ended = false;
  while (!ended && !StopRequested()) {
    const std::vector<std::string> folders = FindRuns(flags.runs);
    ended = AllEnded(flags, folders);
    std::string now = StateOf(folders);
    const auto start = Clock::now();
    if (now != state || ended) {
      const std::string written = WriteReport(flags, /*live=*/!ended);
      if (state.empty()) std::cout << written << std::endl;
      state = std::move(now);
    }
    // The runs need the processor more than their report does.
    if (!ended)
      Wait(std::max<Clock::duration>(std::chrono::seconds(1), 10 * (Clock::now() - start)));
  }
  if (ended) return;
  WriteReport(flags, /*live=*/false);
  throw InterruptedError("stopped watching; the report is of the runs as they are now");
}

}  // namespace

void CheckEnding(const std::string& flag, const std::string& path, const std::string& ending) {
  const bool good = path.size() > ending.size() &&
                    path.compare(path.size() - ending.size(), ending.size(), ending) == 0;
  if (!path.empty() && !good)
    throw ConfigError(flag + " " + path + ": the file's name must end in " + ending);
}

int ReportCommand(const ReportFlags& flags) {
  CheckEnding("--out", flags.out, ".html");
  CheckEnding("--figure", flags.figure, ".svg");
  if (flags.watch) {
    Watch(flags);
  } else {
    std::cout << WriteReport(flags, /*live=*/false) << "\n";
  }
  return 0;
}

}  // namespace flsim
