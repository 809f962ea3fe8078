// The commands that run nothing.
#include <langinfo.h>

#include <clocale>
#include <iostream>
#include <string_view>

#include "datasets/partition_statistics.h"
#include "engine/analysis/page.h"
#include "engine/analysis/report.h"
#include "engine/cli/commands.h"
#include "engine/cli/documentation.h"
#include "engine/cli/report_command.h"
#include "engine/cli/summary.h"
#include "engine/core/files.h"
#include "engine/experiment/experiment.h"
#include "engine/sweep/trial_runner.h"
#include "models/model.h"

namespace flsim {

namespace {

/// The layers of a model with its defaults and how a CPU would run them: for CIFAR-10, or for ten
/// numbers and a target where a model takes no pictures. Nothing for a model without defaults.
std::string ShowModel(const std::string& name) {
  DatasetFacts pictures, numbers;
  pictures.task = Task::kClassification;
  pictures.input_shape = {3, 32, 32};
  pictures.outputs = 10;
  numbers.input_shape = {10};
  for (const DatasetFacts& facts : {pictures, numbers}) {
    Problems problems;
    Choice<Model> choice;
    choice.Bind(Json(name), Model::kKind, problems);
    if (problems.size() > 0) return "";
    try {
      const Network network = BuildNetwork(choice.Make({facts})->Layers(), facts, "layers");
      return "\nFor examples of " + ShapeText(facts.input_shape) + ":\n" +
             DescribeNetwork(network) + DescribeBackend(ResolveBackend("auto", network), network);
    } catch (const ConfigError&) {
      continue;  // not for these data
    }
  }
  return "";
}

}  // namespace

int ValidateCommand(const ConfigFlags& flags, bool resolved) {
  if (IsSweep(flags.config)) {
    const Sweep sweep = ReadSweep(flags.config, flags.set);
    const std::vector<std::string> warnings = CheckTrials(sweep);
    if (resolved) {
      Json configs = Json::object();
      for (const Trial& trial : sweep.trials)
        configs[trial.Folder()] = BuildTrial(trial).resolved();
      std::cout << configs.dump(2) << "\n";
    } else {
      std::cout << flags.config << " is valid\n"
                << CountText(sweep) << "\n"
                << WarningLines(warnings);
    }
    return 0;
  }
  const Experiment experiment = Experiment::Read(flags.config, flags.set);
  if (resolved) {
    std::cout << experiment.resolved().dump(2) << "\n";
  } else {
    std::cout << flags.config << " is valid\n"
              << Headline(experiment) << "\n"
              << DescribeNetwork(experiment.network())
              << DescribeBackend(experiment.backend(), experiment.network())
              << WarningLines(experiment.Warnings());
  }
  return 0;
}

int PartitionCommand(const ConfigFlags& flags, const std::string& out, const std::string& html) {
  CheckEnding("--html", html, ".html");
  Experiment experiment = Experiment::Read(flags.config, flags.set);
  experiment.LoadPartition();
  std::setlocale(LC_CTYPE, "");
  const bool utf8 = std::string_view(nl_langinfo(CODESET)) == "UTF-8";
  std::cout << ShowPartition(experiment.partition(), experiment.partition_input(),
                             experiment.dataset().ClassNames(), utf8);
  if (!out.empty()) {
    SavePartition(out, experiment.partition(), experiment.partition_input());
    std::cout << "written to " << out << "\n";
  }
  if (!html.empty()) {
    const Partition& drawn = experiment.partition();
    const PartitionInput& input = experiment.partition_input();
    const PartitionTable table = CountLabels(drawn, input, experiment.dataset().ClassNames());
    WriteFileAtomically(
        html, Page(PartitionData(experiment.resolved(), table, MeasurePartition(drawn, input))));
    std::cout << "drawn in " << html << "\n";
  }
  return 0;
}

int ListCommand(const std::string& kind) {
  std::cout << ListComponents(kind);
  return 0;
}

int DescribeCommand(const std::string& kind, const std::string& name) {
  std::cout << DescribeComponent(kind, name);
  if (kind == Model::kKind) std::cout << ShowModel(name);
  return 0;
}

int SchemaCommand(bool markdown) {
  if (markdown) {
    std::cout << OptionsMarkdown(ConfigSchema());
  } else {
    std::cout << FullSchema(ConfigSchema()).dump(2) << "\n";
  }
  return 0;
}

}  // namespace flsim
