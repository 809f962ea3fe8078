#include "engine/analysis/csv.h"

#include <charconv>

#include "engine/core/error.h"
#include "engine/core/files.h"

namespace flsim {
namespace {

std::string CsvField(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

}  // namespace

std::string CsvLine(const std::vector<std::string>& fields) {
  std::string line;
  for (size_t i = 0; i < fields.size(); ++i) line += (i > 0 ? "," : "") + CsvField(fields[i]);
  return line + "\n";
}

CsvFile::CsvFile(const std::string& path) : path_(path), text_(ReadFile(path)) {
  if (!ReadLine()) throw DataError(path_ + " has no header; the file is damaged");
  header_ = fields_;
}

int CsvFile::Find(std::string_view column) const {
  for (size_t i = 0; i < header_.size(); ++i)
    if (header_[i] == column) return static_cast<int>(i);
  return -1;
}

size_t CsvFile::Column(std::string_view column) const {
  const int found = Find(column);
  if (found < 0) throw DataError(path_ + " has no column " + std::string(column));
  return static_cast<size_t>(found);
}

bool CsvFile::Next() {
  if (!ReadLine()) return false;
  if (fields_.size() != header_.size())
    Fail("has " + std::to_string(fields_.size()) + " fields, its header has " +
         std::to_string(header_.size()));
  return true;
}

double CsvFile::Number(size_t column) const {
  const std::string& text = fields_[column];
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    Fail("has no number as " + header_[column] + ": \"" + text + "\"");
  return value;
}

int64_t CsvFile::Integer(size_t column) const {
  const std::string& text = fields_[column];
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    Fail("has no whole number as " + header_[column] + ": \"" + text + "\"");
  return value;
}

void CsvFile::Fail(const std::string& reason) const {
  throw DataError(path_ + ", line " + std::to_string(line_) + ", " + reason +
                  "; the file is damaged");
}

bool CsvFile::ReadLine() {
  const size_t end = text_.find('\n', at_);
  if (end == std::string::npos) return false;
  std::string_view line(text_.data() + at_, end - at_);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  at_ = end + 1;
  ++line_;
  fields_.assign(1, "");
  bool quoted = false;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (c == '"' && quoted && i + 1 < line.size() && line[i + 1] == '"') {
      fields_.back() += line[++i];
    } else if (c == '"') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      fields_.emplace_back();
    } else {
      fields_.back() += c;
    }
  }
  if (quoted) Fail("has a quote that does not end");
  return true;
}

}  // namespace flsim
