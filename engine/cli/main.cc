// flsim: the command line. The only place that turns errors into text and exit codes.
#include <malloc.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <new>
#include <string>
#include <vector>

#include "engine/cli/commands.h"
#include "engine/core/error.h"
#include "engine/core/options.h"
#include "engine/experiment/version.h"

namespace flsim {
namespace {

enum ExitCode {
  kDone = 0,
  kUserError = 2,
  kDataError = 3,
  kDiverged = 4,
  kBug = 70,
  kInterrupted = 130
};

int Fail(ExitCode code, const std::string& text) {
  std::fprintf(stderr, "flsim: %s\n", text.c_str());
  return code;
}

void AddConfigFlags(CLI::App* command, ConfigFlags& flags, bool required,
                    const char* what = "The experiment's JSON file (- reads standard input)") {
  auto* config = command->add_option("--config", flags.config, what);
  if (required) config->required();
  command
      ->add_option("--set", flags.set,
                   "KEY=VALUE, such as training.lr=0.1; changes the config before it is read")
      ->type_name("KEY=VALUE")
      ->take_all()
      ->expected(1)
      ->trigger_on_parse(false);
}

void AddOutputFlags(CLI::App* command, OutputFlags& flags,
                    const char* force = "Replaces the run in the folder") {
  command
      ->add_option("--progress", flags.progress,
                   "bar on a terminal, else plain lines, or none (prints errors only)")
      ->check(CLI::IsMember({"bar", "plain", "none"}));
  command->add_flag("--force", flags.force, force);
}

void AddSweepFlags(CLI::App* command, SweepFlags& flags) {
  AddConfigFlags(command, flags.config, /*required=*/true, "The sweep's JSON file");
  command->add_option("--out", flags.output.out, "The sweep's folder; by default output.dir/name");
  AddOutputFlags(command, flags.output, "Replaces the sweep in the folder");
  command->add_option("--shard", flags.shard, "I/N: runs every N-th trial from the I-th on")
      ->type_name("I/N");
  command
      ->add_option("--parallel", flags.parallel,
                   "Trials at the same time; 0: as many as end the sweep soonest")
      ->check(CLI::Range(0, 1024));
  command->add_flag(
      "--dry-run", flags.dry_run,
      "Only tells how many trials there are, and what time and memory they will take");
  command->add_flag("--collect", flags.collect,
                    "Only writes trials.csv and leaderboard.csv, of all shards");
}

void AddWhereFlag(CLI::App* command, std::vector<std::string>& where) {
  command
      ->add_option("--where", where,
                   "Only runs with this setting, such as partition.alpha=0.1; may be repeated")
      ->type_name("KEY=VALUE")
      ->take_all()
      ->expected(1);
}

void AddReportFlags(CLI::App* command, ReportFlags& flags) {
  command
      ->add_option("RUN", flags.runs,
                   "Run folders, folders of a sweep, or globs of such; runs may be going on")
      ->required();
  AddWhereFlag(command, flags.where);
  command->add_option("--out", flags.out,
                      "The HTML file; by default report.html, in the folder if one is named");
  command->add_option("--figure", flags.figure,
                      "SVG file of the metric by round; alone, no page is written");
  command->add_option("--metric", flags.metric,
                      "The metric of the figure, and the page's first, such as test_loss or "
                      "client_accuracy.p5; by default test_accuracy, else test_loss");
  command->add_flag("--watch", flags.watch,
                    "Writes again whenever the runs have changed, until all have ended or Ctrl-C");
}

CLI::App* AddCompare(CLI::App& app, CompareFlags& flags) {
  auto* compare = app.add_subcommand(
      "compare", "Compares runs over their seeds: means with intervals, paired differences, tests");
  compare->add_option("runs", flags.runs, "Run folders, sweep folders, or globs of them")
      ->required();
  AddWhereFlag(compare, flags.where);
  compare->add_option("--metric", flags.metric,
                      "Such as test_loss or client_accuracy.p5; by default test_accuracy, else "
                      "test_loss, else train_loss");
  compare->add_option("--of", flags.of, "What differences are taken of: final (default), best, auc")
      ->check(CLI::IsMember({"final", "best", "auc"}));
  compare->add_option(
      "--baseline", flags.baseline,
      "A group's label, a part that only one label has, or a run's folder; or "
      "settings of several groups (strategy=fedavg), of which each other group is "
      "compared with the one most like it; by default the first group of which runs count");
  compare->add_option("--target", flags.target,
                      "Value whose rounds, bytes and seconds are told; by default the best that "
                      "every completed run reaches");
  compare->add_option("--rounds", flags.rounds, "Looks at the first so many rounds only");
  compare->add_option("--confidence", flags.confidence, "Of the intervals; 0.95 by default");
  compare
      ->add_option("--format", flags.format,
                   "text, csv, latex or markdown; by default as --out ends")
      ->check(CLI::IsMember({"text", "csv", "latex", "markdown"}));
  compare->add_option("--out", flags.out, "File to write in place of standard output");
  return compare;
}

/// What is wrong with arguments that are neither flags nor a command; "" if the first is a flag or
/// follows a command.
std::string UnknownCommand(const CLI::App& app) {
  const std::vector<std::string> extras = app.remaining();
  if (!app.get_subcommands().empty() || extras.empty() || extras[0].rfind('-', 0) == 0) return "";
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands({})) names.push_back(command->get_name());
  const std::string& typo = extras[0];
  const std::string near = Nearest(typo, names);
  std::string text = "unknown command '" + typo + "'; known: " + JoinNames(names);
  if (!near.empty()) return text + "; did you mean '" + near + "'?";
  return text + "; a config is run with --config FILE";
}

int Main(int argc, char** argv) {
  CLI::App app(
      "Federated-learning simulation in one process.\n"
      "Trains the clients of an experiment on this machine's cores and writes a run folder.",
      "flsim");
  app.set_version_flag("--version", std::string("flsim ") + kVersion);
  app.require_subcommand(0, 1);
  app.footer(
      "\nExit codes: 0 done, 2 config or flags, 3 data or files, 4 diverged, 70 a bug in flsim, "
      "130 interrupted.\n"
      "Start with: flsim --config configs/quickstart.json");

  RunFlags run;
  AddConfigFlags(&app, run.config, /*required=*/false);
  app.add_option("--out", run.output.out, "The run folder; by default output.dir/name");
  AddOutputFlags(&app, run.output);
  app.add_flag("--resume", run.resume, "Goes on with the run in the folder, to the same bits")
      ->excludes("--force");
  app.add_option("--print", run.print,
                 "Prints this value of summary.json, such as final.test_accuracy, and nothing "
                 "else on standard output")
      ->type_name("PATH")
      ->take_all()
      ->expected(1)
      ->trigger_on_parse(false);

  ReplayFlags replayed;
  ConfigFlags config;
  bool resolved = false, markdown = false;
  std::string out, html, kind, name;
  auto* validate =
      app.add_subcommand("validate", "Reports every problem of a config; reads no data");
  AddConfigFlags(validate, config, /*required=*/true);
  validate->add_flag("--resolved", resolved,
                     "Prints the config with every default spelled out; of a sweep, each trial's");
  auto* partition =
      app.add_subcommand("partition", "Draws the partition, prints its statistics, writes it");
  AddConfigFlags(partition, config, /*required=*/true);
  partition->add_option("--out", out,
                        "Safetensors file to write, for partition {\"name\": \"file\"}");
  partition->add_option("--html", html, "Page to write, with the heat map and the measures");
  auto* replay = app.add_subcommand("replay",
                                    "Applies the server's side of the config (strategy, "
                                    "aggregator, server optimizer) to recorded "
                                    "updates");
  AddConfigFlags(replay, replayed.config, /*required=*/true);
  replay->add_option("--updates", replayed.updates, "A run folder with recorded updates")
      ->required();
  replay
      ->add_option("--out", replayed.output.out,
                   "Run folder to write, with global-0000.safetensors, ...")
      ->required();
  AddOutputFlags(replay, replayed.output);
  SweepFlags swept;
  auto* sweep = app.add_subcommand("sweep", "Runs many experiments from one file");
  AddSweepFlags(sweep, swept);
  ReportFlags reported;
  auto* report = app.add_subcommand("report", "Writes a page about runs, and figures for papers");
  AddReportFlags(report, reported);
  CompareFlags compared;
  auto* compare = AddCompare(app, compared);
  auto* list = app.add_subcommand("list", "Lists the components");
  list->add_option("kind", kind, "strategy, dataset, model, ...");
  auto* describe = app.add_subcommand("describe", "Tells what a component is and its options");
  describe->add_option("kind", kind, "strategy, dataset, model, ...")->required();
  describe->add_option("name", name, "The component's name")->required();
  auto* schema = app.add_subcommand("schema", "Prints the JSON Schema of configs");
  schema->add_flag("--markdown", markdown, "Prints all options as a Markdown document instead");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    const std::string unknown = UnknownCommand(app);
    if (!unknown.empty()) return Fail(kUserError, unknown);
    return Fail(kUserError, std::string(error.what()) + " (flsim --help shows what there is)");
  }
  if (*validate) return ValidateCommand(config, resolved);
  if (*partition) return PartitionCommand(config, out, html);
  if (*replay) return ReplayCommand(replayed);
  if (*sweep) return SweepCommand(swept);
  if (*report) return ReportCommand(reported);
  if (*compare) return CompareCommand(compared);
  if (*list) return ListCommand(kind);
  if (*describe) return DescribeCommand(kind, name);
  if (*schema) return SchemaCommand(markdown);
  if (run.config.config.empty())
    return Fail(kUserError, "--config is required (flsim --help shows what there is)");
  return RunCommand(run);
}

/// LibTorch allocates and frees its activations at each step. glibc would return the pages each
/// time and the next step would fault them in again, which can take as long as the
/// step.
void KeepFreedMemory() {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, 32 << 20);  // the most that it takes
  mallopt(M_TRIM_THRESHOLD, 512 << 20);
#endif
}

int GuardedMain(int argc, char** argv) {
  try {
    const int code = Main(argc, argv);
    if (!std::cout.flush()) return Fail(kDataError, "can't write to standard output");
    return code;
  } catch (const ConfigError& error) {
    return Fail(kUserError, error.what());
  } catch (const DataError& error) {
    return Fail(kDataError, error.what());
  } catch (const DivergedError& error) {
    return Fail(kDiverged, error.what());
  } catch (const InterruptedError& error) {
    return Fail(kInterrupted, error.what());
  } catch (const std::bad_alloc&) {
    return Fail(
        kDataError,
        "out of memory; a smaller population, data set, model or runtime.workers needs less");
  } catch (const std::exception& error) {
    return Fail(kBug, std::string("internal error, please report it: ") + error.what());
  }
}

}  // namespace
}  // namespace flsim

int main(int argc, char** argv) {
  flsim::KeepFreedMemory();
  const int code = flsim::GuardedMain(argc, argv);
  // Everything of ours is closed. LibTorch's static destructors take 0.1 s to undo what it has
  // registered, for nothing.
  std::cout.flush();
  std::fflush(nullptr);
  std::quick_exit(code);
}
