// The commands of the program. Each returns its exit code or throws one of engine/core/error.h.
#pragma once

#include <cstdint>
#include <optional>
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

struct SweepFlags {
  ConfigFlags config;
  OutputFlags output;
  std::string shard;  ///< "3/16"; empty: the whole sweep
  int64_t parallel = 0;
  bool dry_run = false, collect = false;
};

struct ReportFlags {
  std::vector<std::string> runs;   ///< run folders, sweep folders, globs
  std::vector<std::string> where;  ///< settings of those that count
  std::string out;                 ///< the page; empty: report.html, in the folder if runs are one
  std::string figure;              ///< an SVG file; alone, no page is written
  std::string metric;              ///< what figure and page show first; empty: MainMetric()
  bool watch = false;
};

struct CompareFlags {
  std::vector<std::string> runs, where;           ///< as in ReportFlags
  std::string metric, baseline, format, of, out;  ///< empty: the default
  std::optional<double> target;
  std::optional<int64_t> rounds;
  double confidence = 0.95;
};

/// With `print`, standard output gets those values alone, and only from a run that ends well.
int RunCommand(const RunFlags& flags);

/// Reports every problem of a config without reading data; prints what it would run, or with
/// `resolved` the config with every default spelled out; of a sweep, those of its trials.
int ValidateCommand(const ConfigFlags& flags, bool resolved);

/// Draws the partition, prints its statistics and writes it to `out` and as a page to `html`, where
/// they are given.
int PartitionCommand(const ConfigFlags& flags, const std::string& out, const std::string& html);

/// Replays recorded updates under the config's strategy; see engine/experiment/replay.h.
int ReplayCommand(const ReplayFlags& flags);

/// Runs the trials of a sweep file; see engine/sweep/sweep_file.h.
int SweepCommand(const SweepFlags& flags);

/// Writes a report of recorded runs; with `watch` again and again until all of them have ended.
int ReportCommand(const ReportFlags& flags);

/// Compares groups of runs over their seeds; prints or writes the tables.
int CompareCommand(const CompareFlags& flags);

int ListCommand(const std::string& kind);
int DescribeCommand(const std::string& kind, const std::string& name);
int SchemaCommand(bool markdown);

}  // namespace flsim
