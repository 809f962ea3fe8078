// The commands of the program. Each returns its exit code or throws one of engine/core/error.h.
#pragma once

#include <string>
#include <vector>

namespace flsim {

/// Flags that name and change a config.
struct ConfigFlags {
  std::string config;
  std::vector<std::string> set;
};

/// Where a run or a replay goes, and what is seen of it.
struct OutputFlags {
  std::string out;
  bool force = false;
  std::string progress;  ///< bar, plain, none; empty: bar on a terminal, else plain
};

struct RunFlags {
  ConfigFlags config;
  OutputFlags output;
  bool resume = false;
  std::vector<std::string> print;  ///< dotted paths into summary.json
};

struct ReplayFlags {
  ConfigFlags config;
  OutputFlags output;
  std::string updates;
};

/// With `print`, standard output gets those values alone, and only from a run that ends well.
int RunCommand(const RunFlags& flags);

/// Reports every problem of a config without reading data; prints what it would run, or with
/// `resolved` the config with every default spelled out.
int ValidateCommand(const ConfigFlags& flags, bool resolved);

/// Draws the partition, prints its statistics and, with `out`, writes it.
int PartitionCommand(const ConfigFlags& flags, const std::string& out);

/// Replays recorded updates under the config's strategy; see engine/experiment/replay.h.
int ReplayCommand(const ReplayFlags& flags);

int ListCommand(const std::string& kind);
int DescribeCommand(const std::string& kind, const std::string& name);
int SchemaCommand(bool markdown);

}  // namespace flsim
