// flsim compare: groups of runs beside each other.
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <iostream>

#include "engine/analysis/comparison_document.h"
#include "engine/cli/commands.h"
#include "engine/cli/summary.h"
#include "engine/core/error.h"
#include "engine/core/files.h"

namespace flsim {
namespace {

std::string FormatOf(const CompareFlags& flags) {
  if (!flags.format.empty()) return flags.format;
  const std::string extension = std::filesystem::path(flags.out).extension().string();
  for (const auto& [ending, format] :
       {std::pair{".csv", "csv"}, {".tex", "latex"}, {".md", "markdown"}}) {
    if (extension == ending) return format;
  }
  return "text";
}

CompareOptions OptionsOf(const CompareFlags& flags) {
  if (flags.target && !std::isfinite(*flags.target))
    throw ConfigError("--target must be a finite number, got " + std::to_string(*flags.target));
  if (flags.rounds && *flags.rounds < 0)
    throw ConfigError("--rounds must be at least 0, got " + std::to_string(*flags.rounds));
  CompareOptions options;
  options.metric = flags.metric;
  options.baseline = flags.baseline;
  options.target = flags.target;
  options.rounds = flags.rounds;
  options.confidence = flags.confidence;
  options.of = flags.of == "best"  ? Aspect::kBest
               : flags.of == "auc" ? Aspect::kArea
                                   : Aspect::kFinal;
  return options;
}

}  // namespace

int CompareCommand(const CompareFlags& flags) {
  const CompareOptions options = OptionsOf(flags);
  const std::vector<RecordedRun> runs = ReadRuns(flags.runs, flags.where);
  const Comparison comparison = Compare(runs, options);
  const Document document = DocumentOf(comparison);
  const std::string format = FormatOf(flags);
  const std::string text = format == "csv"        ? CsvOf(comparison)
                           : format == "latex"    ? ToLatex(document)
                           : format == "markdown" ? ToMarkdown(document)
                                                  : ToText(document);
  // Where the reader of standard output does not see them.
  if (format == "csv" || !flags.out.empty()) {
    std::fprintf(stderr, "%s", WarningLines(document.warnings).c_str());
  }
  if (flags.out.empty()) {
    std::cout << text;
  } else {
    WriteFileAtomically(flags.out, text);
  }
  return 0;
}

}  // namespace flsim
