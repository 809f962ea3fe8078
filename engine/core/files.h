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

/// The whole file. Throws DataError.
std::string ReadFile(const std::string& path);

/// SHA-256 in hexadecimal.
std::string Sha256(std::string_view bytes);

}  // namespace flsim
