#include "engine/core/safetensors.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <limits>
#include <set>
#include <string_view>

#include "engine/core/error.h"
#include "engine/core/files.h"
#include "engine/core/json.h"

namespace flsim {
namespace {

// The format allows 100 MB; this is some 100,000 tensors.
constexpr uint64_t kMaxHeaderBytes = 8 << 20;
constexpr uint64_t kPrefixBytes = 8;
constexpr const char* kMetadata = "__metadata__";

/// One tensor as the header describes it, checked.
struct Entry {
  std::string name;
  at::ScalarType type = at::kFloat;
  std::vector<int64_t> shape;
  uint64_t begin = 0, end = 0;  ///< bytes after the header
};

[[noreturn]] void Fail(const std::string& path, const std::string& reason) {
  // A damaged header may be megabytes of anything.
  throw DataError(path + " is not a valid safetensors file: " +
                  (reason.size() <= 400 ? reason : reason.substr(0, 397) + "..."));
}

uint64_t ItemBytes(at::ScalarType type) { return type == at::kFloat ? 4 : 8; }

/// Takes a whole number that is not negative.
bool ReadWhole(const Json& value, uint64_t& out) {
  if (!value.is_number_unsigned()) return false;
  out = value.get<uint64_t>();
  return true;
}

at::ScalarType ReadType(const std::string& path, const std::string& tensor, const Json& value) {
  if (!value.is_string()) Fail(path, tensor + ": \"dtype\" must be a string");
  const std::string type = value.get<std::string>();
  if (type == "F32") return at::kFloat;
  if (type == "I64") return at::kLong;
  throw DataError(path + ": " + tensor + " has the type " + type.substr(0, 20) +
                  "; flsim reads F32 and I64 only, so convert it and save the file again");
}

/// The shape, and into `bytes` what it takes.
std::vector<int64_t> ReadShape(const std::string& path, const std::string& tensor,
                               const Json& value, uint64_t item_bytes, uint64_t& bytes) {
  if (!value.is_array()) Fail(path, tensor + ": \"shape\" must be a list");
  std::vector<int64_t> shape;
  // The product without zeros has to fit too: strides are made from it.
  uint64_t product = item_bytes;
  bool empty = false;
  for (const Json& item : value) {
    constexpr uint64_t kMax = std::numeric_limits<int64_t>::max();
    uint64_t size = 0;
    if (!ReadWhole(item, size)) Fail(path, tensor + ": \"shape\" must hold whole numbers");
    if (size > kMax / product) Fail(path, tensor + ": its shape overflows");
    product *= std::max<uint64_t>(size, 1);
    empty = empty || size == 0;
    shape.push_back(static_cast<int64_t>(size));
  }
  bytes = empty ? 0 : product;
  return shape;
}

Entry ReadEntry(const std::string& path, const std::string& name, const Json& value) {
  const std::string tensor = "tensor '" + name.substr(0, 100) + "'";
  if (!value.is_object() || value.size() != 3 || !value.contains("dtype") ||
      !value.contains("shape") || !value.contains("data_offsets")) {
    Fail(path, tensor + " must have \"dtype\", \"shape\" and \"data_offsets\", nothing else");
  }
  Entry entry;
  entry.name = name;
  entry.type = ReadType(path, tensor, value["dtype"]);
  uint64_t bytes = 0;
  entry.shape = ReadShape(path, tensor, value["shape"], ItemBytes(entry.type), bytes);
  const Json& offsets = value["data_offsets"];
  if (!offsets.is_array() || offsets.size() != 2 || !ReadWhole(offsets[0], entry.begin) ||
      !ReadWhole(offsets[1], entry.end) || entry.begin > entry.end) {
    Fail(path, tensor + ": \"data_offsets\" must be a begin and an end");
  }
  if (entry.end - entry.begin != bytes) {
    Fail(path, tensor + ": its shape takes " + std::to_string(bytes) + " bytes, its offsets " +
                   std::to_string(entry.end - entry.begin));
  }
  return entry;
}

Json ReadHeader(const std::string& path, const InputFile& file, uint64_t& header_bytes) {
  if (file.size() < kPrefixBytes) {
    Fail(path, "it has only " + std::to_string(file.size()) + " bytes");
  }
  unsigned char prefix[kPrefixBytes];
  file.Read(0, prefix, kPrefixBytes);
  header_bytes = 0;
  for (size_t i = kPrefixBytes; i-- > 0;) header_bytes = header_bytes << 8 | prefix[i];
  if (header_bytes > file.size() - kPrefixBytes) {
    Fail(path, "its header should have " + std::to_string(header_bytes) +
                   " bytes, but the file has only " + std::to_string(file.size()));
  }
  if (header_bytes > kMaxHeaderBytes) {
    Fail(path, "its header has " + std::to_string(header_bytes) + " bytes; at most " +
                   std::to_string(kMaxHeaderBytes) + " are read");
  }
  std::string text(header_bytes, ' ');
  file.Read(kPrefixBytes, text.data(), text.size());
  try {
    Json header = ParseJson(text, "its header");
    if (!header.is_object()) Fail(path, "its header is not a JSON object");
    return header;
  } catch (const ConfigError& error) {
    Fail(path, error.what());
  }
}

std::map<std::string, std::string> ReadMetadata(const std::string& path, const Json& header) {
  std::map<std::string, std::string> metadata;
  const auto found = header.find(kMetadata);
  if (found == header.end()) return metadata;
  if (!found->is_object()) Fail(path, "its metadata is not an object");
  for (const auto& [key, text] : found->items()) {
    if (!text.is_string()) Fail(path, "its metadata '" + key + "' is not a string");
    metadata[key] = text.get<std::string>();
  }
  return metadata;
}

/// Checks that the tensors fill the `data_bytes` after the header without gap or overlap.
void CheckPlaces(const std::string& path, const std::vector<Entry>& entries, uint64_t data_bytes) {
  uint64_t next = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != next) {
      Fail(path, "tensor '" + entry.name.substr(0, 100) + "' starts at byte " +
                     std::to_string(entry.begin) + ", expected " + std::to_string(next));
    }
    next = entry.end;
  }
  if (next != data_bytes) {
    Fail(path, "its tensors take " + std::to_string(next) + " bytes, but " +
                   std::to_string(data_bytes) + " follow the header");
  }
}

at::Tensor ReadTensor(const std::string& path, const InputFile& file, const Entry& entry,
                      uint64_t data_start) {
  at::Tensor tensor;
  try {
    tensor = at::empty(entry.shape, at::TensorOptions().dtype(entry.type));
  } catch (const std::exception&) {
    throw DataError(path + " can't be read: the " + std::to_string(entry.end - entry.begin) +
                    " bytes of tensor '" + entry.name.substr(0, 100) + "' don't fit into memory");
  }
  file.Read(data_start + entry.begin, tensor.data_ptr(), entry.end - entry.begin);
  return tensor;
}

}  // namespace

const at::Tensor* SafetensorsFile::Find(const std::string& name) const {
  for (const auto& [key, tensor] : tensors) {
    if (key == name) return &tensor;
  }
  return nullptr;
}

void WriteSafetensors(const std::string& path, const SafetensorsFile& file) {
  Json header = Json::object();
  if (!file.metadata.empty()) header[kMetadata] = file.metadata;

  std::vector<std::string_view> pieces(2);
  std::vector<at::Tensor> kept;  // what `pieces` points into
  std::set<std::string> names;
  uint64_t next = 0;
  for (const at::ScalarType type : {at::kLong, at::kFloat}) {
    for (const auto& [name, given] : file.tensors) {
      FLSIM_CHECK(given.defined() && given.device().is_cpu(), name);
      FLSIM_CHECK(given.scalar_type() == at::kLong || given.scalar_type() == at::kFloat, name);
      if (given.scalar_type() != type) continue;
      FLSIM_CHECK(name != kMetadata && names.insert(name).second, name);
      const at::Tensor tensor = given.contiguous();
      const size_t bytes = tensor.nbytes();
      header[name] = {{"dtype", type == at::kFloat ? "F32" : "I64"},
                      {"shape", tensor.sizes().vec()},
                      {"data_offsets", {next, next + bytes}}};
      next += bytes;
      pieces.emplace_back(static_cast<const char*>(tensor.const_data_ptr()), bytes);
      kept.push_back(tensor);
    }
  }

  std::string text = header.dump(-1, ' ', false, Json::error_handler_t::replace);
  text.resize((text.size() + 7) / 8 * 8, ' ');
  FLSIM_CHECK(text.size() <= kMaxHeaderBytes, text.size());
  std::string prefix;
  for (size_t i = 0; i < kPrefixBytes; ++i) {
    prefix += static_cast<char>(static_cast<uint64_t>(text.size()) >> (8 * i) & 0xFF);
  }
  pieces[0] = prefix;
  pieces[1] = text;
  WriteFileAtomically(path, pieces);
}

SafetensorsFile ReadSafetensors(const std::string& path) {
  const InputFile file(path);
  uint64_t header_bytes = 0;
  const Json header = ReadHeader(path, file, header_bytes);

  SafetensorsFile result;
  result.metadata = ReadMetadata(path, header);
  std::vector<Entry> entries;
  for (const auto& [name, value] : header.items()) {
    if (name != kMetadata) entries.push_back(ReadEntry(path, name, value));
  }
  std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
  });
  const uint64_t data_start = kPrefixBytes + header_bytes;
  CheckPlaces(path, entries, file.size() - data_start);
  for (const Entry& entry : entries) {
    result.tensors.emplace_back(entry.name, ReadTensor(path, file, entry, data_start));
  }
  return result;
}

std::map<std::string, std::string> ReadSafetensorsMetadata(const std::string& path) {
  uint64_t header_bytes = 0;
  return ReadMetadata(path, ReadHeader(path, InputFile(path), header_bytes));
}

}  // namespace flsim
