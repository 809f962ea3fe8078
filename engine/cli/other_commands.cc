// The commands that run nothing.
#include <langinfo.h>

#include <clocale>
#include <iostream>
#include <string_view>

#include "datasets/partition_statistics.h"
#include "engine/cli/commands.h"
#include "engine/cli/documentation.h"
#include "engine/cli/summary.h"
#include "engine/experiment/experiment.h"

namespace flsim {

int ValidateCommand(const ConfigFlags& flags, bool resolved) {
  const Experiment experiment = Experiment::Read(flags.config, flags.set);
  if (resolved) {
    std::cout << experiment.resolved().dump(2) << "\n";
  } else {
    std::cout << flags.config << " is valid\n"
              << Headline(experiment) << "\n"
              << DescribeNetwork(experiment.network());
  }
  return 0;
}

int PartitionCommand(const ConfigFlags& flags, const std::string& out) {
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
  return 0;
}

int ListCommand(const std::string& kind) {
  std::cout << ListComponents(kind);
  return 0;
}

int DescribeCommand(const std::string& kind, const std::string& name) {
  std::cout << DescribeComponent(kind, name);
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
