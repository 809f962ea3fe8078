// The safetensors file format (https://github.com/huggingface/safetensors): 8 bytes of header
// length, a JSON header, then the tensors' bytes.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace flsim {

/// Named tensors and string metadata. Tensors are float32 or int64, on the CPU.
struct SafetensorsFile {
  std::vector<std::pair<std::string, at::Tensor>> tensors;  ///< in file order
  std::map<std::string, std::string> metadata;

  /// The tensor of that name, or null.
  const at::Tensor* Find(const std::string& name) const;
};

/// Writes atomically (temporary file, fsync, rename), int64 tensors first so that every tensor is
/// aligned to its item. Throws DataError; then `path` is as it was.
void WriteSafetensors(const std::string& path, const SafetensorsFile& file);

/// Reads a whole file, checking every offset, shape and size before using it. Throws DataError
/// naming the path and what is wrong.
SafetensorsFile ReadSafetensors(const std::string& path);

/// The string metadata alone, however large the tensors are. Throws DataError as above.
std::map<std::string, std::string> ReadSafetensorsMetadata(const std::string& path);

}  // namespace flsim
