// Tables with notes, as text, Markdown or LaTeX.
#pragma once

#include <string>
#include <vector>

namespace flsim {

/// Cells are UTF-8; the first column is text, the others are numbers.
struct Table {
  std::string caption;
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;  ///< each as long as the header
};

struct Document {
  std::vector<Table> tables;
  std::vector<std::string> notes;     ///< how to read the tables
  std::vector<std::string> warnings;  ///< what to know before believing them
};

/// Aligned columns, notes and warnings wrapped at 100 characters.
std::string ToText(const Document& document);

/// Tables of GitHub-flavoured Markdown.
std::string ToMarkdown(const Document& document);

/// Tables in the style of the package booktabs, notes and warnings as comments.
std::string ToLatex(const Document& document);

}  // namespace flsim
