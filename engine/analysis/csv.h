// Comma-separated tables (RFC 4180).
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace flsim {

/// A line with its end; fields are quoted where they must be.
std::string CsvLine(const std::vector<std::string>& fields);

/// A table of a run folder that is read line by line. Fields may be quoted as in RFC 4180, but hold
/// no line breaks.
class CsvFile {
 public:
  /// Reads the file and its header. Throws DataError.
  explicit CsvFile(const std::string& path);

  const std::vector<std::string>& header() const { return header_; }
  /// The position of a column, or -1.
  int Find(std::string_view column) const;
  /// The position of a column that must be there; throws DataError.
  size_t Column(std::string_view column) const;

  /// Goes to the next line; false at the end. A last line that is still being written (without its
  /// line break) is left out. Throws DataError where a line has more or fewer fields than the
  /// header.
  bool Next();
  const std::string& field(size_t column) const { return fields_[column]; }
  /// The number in a field; throws DataError if it holds none.
  double Number(size_t column) const;
  int64_t Integer(size_t column) const;

 private:
  [[noreturn]] void Fail(const std::string& reason) const;
  bool ReadLine();

  std::string path_, text_;
  size_t at_ = 0, line_ = 0;
  std::vector<std::string> header_, fields_;
};

}  // namespace flsim
