#include "engine/analysis/document.h"

#include <algorithm>
#include <sstream>
#include <string_view>

#include "engine/core/error.h"

namespace flsim {
namespace {

constexpr size_t kColumns = 100;

/// Characters that a terminal shows for UTF-8 text.
size_t Width(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

std::vector<size_t> Widths(const Table& table) {
  std::vector<size_t> widths;
  for (const std::string& cell : table.header) widths.push_back(Width(cell));
  for (const auto& row : table.rows) {
    FLSIM_CHECK(row.size() == widths.size(), table.caption);
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], Width(row[i]));
  }
  return widths;
}

std::string Padded(const std::string& text, size_t width, bool right) {
  const std::string space(width - Width(text), ' ');
  return right ? space + text : text + space;
}

/// `text` word by word, lines after the first indented.
std::string Wrapped(const std::string& text, size_t indent) {
  std::string out;
  size_t column = 0;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    if (column > 0 && column + 1 + Width(word) > kColumns) {
      out += "\n" + std::string(indent, ' ');
      column = indent;
    } else if (column > 0) {
      out += ' ';
      ++column;
    }
    out += word;
    column += Width(word);
  }
  return out + "\n";
}

using Replacements = std::vector<std::pair<std::string_view, std::string_view>>;

std::string Replaced(std::string_view text, const Replacements& replacements) {
  std::string out;
  while (!text.empty()) {
    const auto found = std::find_if(
        replacements.begin(), replacements.end(),
        [&](const auto& each) { return text.substr(0, each.first.size()) == each.first; });
    if (found == replacements.end()) {
      out += text[0];
      text.remove_prefix(1);
    } else {
      out += found->second;
      text.remove_prefix(found->first.size());
    }
  }
  return out;
}

std::string ForMarkdown(const std::string& text) {
  static const Replacements kSpecial = {{"\\", "\\\\"}, {"|", "\\|"}, {"*", "\\*"},
                                        {"<", "&lt;"},  {"`", "\\`"}, {"\n", " "}};
  return Replaced(text, kSpecial);
}

std::string ForLatex(const std::string& text) {
  static const Replacements kSpecial = {{"\\", "\\textbackslash{}"},
                                        {"{", "\\{"},
                                        {"}", "\\}"},
                                        {"$", "\\$"},
                                        {"&", "\\&"},
                                        {"#", "\\#"},
                                        {"%", "\\%"},
                                        {"_", "\\_"},
                                        {"^", "\\textasciicircum{}"},
                                        {"~", "\\textasciitilde{}"},
                                        {"<", "$<$"},
                                        {">", "$>$"},
                                        {"±", "$\\pm$"},
                                        {"–", "--"},
                                        {"[-", "[$-$"},
                                        {" -", " $-$"},
                                        {"\n", " "}};
  const bool negative = text.size() > 1 && text[0] == '-';
  return negative ? "$-$" + Replaced(text.substr(1), kSpecial) : Replaced(text, kSpecial);
}

template <class Escape>
std::string Joined(const std::vector<std::string>& cells, const char* between, Escape escape) {
  std::string line;
  for (size_t i = 0; i < cells.size(); ++i) line += (i > 0 ? between : "") + escape(cells[i]);
  return line;
}

std::string LatexComments(const char* start, const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& line : lines)
    out += "% " + std::string(start) + Replaced(line, {{"\n", " "}}) + "\n";
  return out;
}

}  // namespace

std::string ToText(const Document& document) {
  std::string out;
  for (const Table& table : document.tables) {
    const std::vector<size_t> widths = Widths(table);
    const auto line = [&](const std::vector<std::string>& cells) {
      std::string text;
      for (size_t i = 0; i < cells.size(); ++i)
        text += "  " + Padded(cells[i], widths[i], /*right=*/i > 0);
      text.resize(text.find_last_not_of(' ') + 1);
      return text + "\n";
    };
    out += Wrapped(table.caption, 0) + line(table.header);
    for (const auto& row : table.rows) out += line(row);
    out += "\n";
  }
  for (const std::string& note : document.notes) out += Wrapped(note, 0);
  for (const std::string& warning : document.warnings) out += Wrapped("warning: " + warning, 2);
  return out;
}

std::string ToMarkdown(const Document& document) {
  std::string out;
  for (const Table& table : document.tables) {
    std::string rule = "|---";
    for (size_t i = 1; i < table.header.size(); ++i) rule += "|---:";
    out += "**" + ForMarkdown(table.caption) + "**\n\n| " +
           Joined(table.header, " | ", ForMarkdown) + " |\n" + rule + "|\n";
    for (const auto& row : table.rows) out += "| " + Joined(row, " | ", ForMarkdown) + " |\n";
    out += "\n";
  }
  for (const std::string& note : document.notes) out += ForMarkdown(note) + "\n\n";
  for (const std::string& warning : document.warnings)
    out += "- Warning: " + ForMarkdown(warning) + "\n";
  return out;
}

std::string ToLatex(const Document& document) {
  std::string out = "% needs \\usepackage{booktabs}\n" + LatexComments("", document.notes) +
                    LatexComments("warning: ", document.warnings);
  for (const Table& table : document.tables) {
    out += "\\begin{table}\n\\centering\n\\caption{" + ForLatex(table.caption) +
           "}\n\\begin{tabular}{l" + std::string(table.header.size() - 1, 'r') + "}\n\\toprule\n" +
           Joined(table.header, " & ", ForLatex) + " \\\\\n\\midrule\n";
    for (const auto& row : table.rows) out += Joined(row, " & ", ForLatex) + " \\\\\n";
    out += "\\bottomrule\n\\end{tabular}\n\\end{table}\n";
  }
  return out;
}

}  // namespace flsim
