// Files whole or not at all.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace flsim {

/// Replaces `path` by `bytes` atomically: temporary file beside it, fsync, rename, fsync of the
/// folder. Throws DataError (disk full, no permission); then `path` is as it was and no temporary
/// file is left.
void WriteFileAtomically(const std::string& path, std::string_view bytes);
/// The same for several pieces written one after the other.
void WriteFileAtomically(const std::string& path, const std::vector<std::string_view>& pieces);

/// A regular file open for reading. Every member throws DataError naming the file.
class InputFile {
 public:
  explicit InputFile(const std::string& path);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  /// In bytes, when it was opened.
  uint64_t size() const { return size_; }
  /// Copies bytes offset .. offset + n - 1 to `to`; throws if the file ends before.
  void Read(uint64_t offset, void* to, size_t n) const;

 private:
  std::string path_;
  int descriptor_ = -1;
  uint64_t size_ = 0;
};

/// Whether there is a file or folder; false, too, where one may not look.
bool Exists(const std::string& path);

/// The whole file. Throws DataError.
std::string ReadFile(const std::string& path);

/// SHA-256 in hexadecimal.
std::string Sha256(std::string_view bytes);

}  // namespace flsim
