#include "engine/analysis/document.h"

#include <catch2/catch.hpp>

#include "engine/analysis/comparison_document.h"
#include "engine/analysis/csv.h"
#include "tests/analysis/made_runs.h"

namespace flsim {
namespace {

Document Small() {
  Document document;
  document.tables = {
      {"test_accuracy, 95 %", {"group", "final"}, {{"mu=0.1|*<", "0.50 ± 0.10"}, {"a", "–"}}}};
  document.notes = {"a note"};
  document.warnings = {"few seeds"};
  return document;
}

TEST_CASE("text has its columns aligned by characters, not by bytes") {
  CHECK(ToText(Small()) ==
        "test_accuracy, 95 %\n"
        "  group            final\n"
        "  mu=0.1|*<  0.50 ± 0.10\n"
        "  a                    –\n"
        "\n"
        "a note\n"
        "warning: few seeds\n");
}

TEST_CASE("Markdown keeps the columns whatever a label holds") {
  CHECK(ToMarkdown(Small()) ==
        "**test_accuracy, 95 %**\n\n"
        "| group | final |\n"
        "|---|---:|\n"
        "| mu=0.1\\|\\*&lt; | 0.50 ± 0.10 |\n"
        "| a | – |\n"
        "\n"
        "a note\n\n"
        "- Warning: few seeds\n");
}

TEST_CASE("LaTeX escapes what it would read as commands") {
  CHECK(ToLatex(Small()) ==
        "% needs \\usepackage{booktabs}\n"
        "% a note\n"
        "% warning: few seeds\n"
        "\\begin{table}\n\\centering\n\\caption{test\\_accuracy, 95 \\%}\n"
        "\\begin{tabular}{lr}\n\\toprule\n"
        "group & final \\\\\n\\midrule\n"
        "mu=0.1|*$<$ & 0.50 $\\pm$ 0.10 \\\\\n"
        "a & -- \\\\\n"
        "\\bottomrule\n\\end{tabular}\n\\end{table}\n");
  Document document;
  document.tables = {{"\\input{x}$&#%_^~", {"a"}, {}}};
  CHECK(ToLatex(document).find("\\caption{\\textbackslash{}input\\{x\\}\\$\\&\\#\\%\\_"
                               "\\textasciicircum{}\\textasciitilde{}}") != std::string::npos);
  document.tables = {{"", {"a", "b", "c"}, {{"lr=1e-05", "-0.1 ± 0.2", "[-0.3, -0.1]"}}}};
  CHECK(ToLatex(document).find("lr=1e-05 & $-$0.1 $\\pm$ 0.2 & [$-$0.3, $-$0.1] \\\\\n") !=
        std::string::npos);
}

TEST_CASE("CSV quotes cells with commas, quotes and line ends") {
  CHECK(CsvLine({"a", "b,c", "d\"e", "f\ng", ""}) == "a,\"b,c\",\"d\"\"e\",\"f\ng\",\n");
  CHECK(CsvLine({"", "", "a"}) == ",,a\n");
}

/// Two strategies over three seeds, and one run of a third that diverged.
std::vector<RecordedRun> SomeRuns(const TempFolder& folder) {
  const std::vector<double> plain = {0.30, 0.40, 0.50}, prox = {0.31, 0.43, 0.52};
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    const std::string n = std::to_string(seed);
    Made(folder, "a" + n, {{0.1, plain[seed - 1]}, seed});
    Made(folder, "b" + n, {{0.1, prox[seed - 1]}, seed, {{"strategy.name", "fedprox"}}});
  }
  Made(folder, "c", {{0.1}, 1, {{"strategy.name", "fedavgm"}}, "diverged", 1});
  return ReadRuns({folder / "*"});
}

TEST_CASE("a comparison's tables show two digits of each interval, and p as it is adjusted") {
  const TempFolder folder;
  const auto runs = SomeRuns(folder);
  const std::string text = ToText(DocumentOf(Compare(runs, {})));
  INFO(text);
  for (const char* line :
       {"test_accuracy (higher is better): mean over seeds ± half its 95 % t interval\n",
        "  strategy=fedavg                3  0.40 ± 0.25      [0.30, 0.50]  0.40 ± 0.25  0.25 ± "
        "0.12\n",
        "  strategy=fedavgm  1 (1 diverged)       0.1000                 –       0.1000       "
        "0.1000\n",
        "until test_accuracy reaches 0.3000 (the best that all completed runs reach): medians over "
        "seeds\n",
        "  strategy=fedavg    3 of 3       1   15 B     1.00\n",
        "  strategy=fedavgm   0 of 1       –      –        –\n",
        "difference of final test_accuracy to strategy=fedavg\n",
        "  strategy=fedprox  +0.020 ± 0.025  [0.010, 0.030]  0.074   0.074       0.25  d_z 2.00  "
        "paired, 3\n",
        "Paired runs share partition, cohorts, initial model.\n"}) {
    CHECK(text.find(line) != std::string::npos);
  }
}

TEST_CASE("CSV has one row a group, in full precision, with the same columns always") {
  const TempFolder folder;
  const auto runs = SomeRuns(folder);
  const std::string csv = CsvOf(Compare(runs, {}));
  INFO(csv);
  std::vector<std::vector<std::string>> rows;
  std::istringstream lines(csv);
  for (std::string line; std::getline(lines, line);) {
    rows.emplace_back();
    std::istringstream cells(line + ",");
    for (std::string cell; std::getline(cells, cell, ',');) rows.back().push_back(cell);
  }
  REQUIRE(rows.size() == 4);
  for (const auto& row : rows) REQUIRE(row.size() == rows[0].size());
  const auto cell = [&](size_t row, const std::string& column) {
    const auto found = std::find(rows[0].begin(), rows[0].end(), column);
    REQUIRE(found != rows[0].end());
    return rows[row][static_cast<size_t>(found - rows[0].begin())];
  };
  CHECK(cell(1, "group") == "strategy=fedavg");
  CHECK(cell(1, "final_mean") == "0.4");
  CHECK(cell(1, "difference").empty());
  CHECK(cell(1, "difference_of") == "final");
  CHECK(cell(2, "baseline") == "strategy=fedavg");
  CHECK(cell(2, "test") == "paired t");
  CHECK(cell(2, "pairs") == "3");
  CHECK(cell(2, "effect") == "d_z");
  CHECK(std::stod(cell(2, "p_sign_flip")) == 0.25);
  CHECK(cell(3, "diverged") == "1");
  CHECK(cell(3, "reached") == "0");
  CHECK(cell(3, "rounds_to_target").empty());
  CHECK(cell(3, "final_sd").empty());
}

}  // namespace
}  // namespace flsim
