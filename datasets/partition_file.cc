#include <ATen/ops/from_blob.h>

#include "datasets/partition.h"
#include "engine/core/error.h"
#include "engine/core/safetensors.h"

namespace flsim {
namespace {

at::Tensor View(const std::vector<int64_t>& values) {
  return at::from_blob(const_cast<int64_t*>(values.data()), {static_cast<int64_t>(values.size())},
                       at::kLong);
}

std::vector<int64_t> ReadList(const SafetensorsFile& file, const std::string& name,
                              const std::string& path) {
  const at::Tensor* tensor = file.Find(name);
  if (tensor == nullptr) {
    throw DataError(path + " is not a partition: it has no tensor '" + name + "'");
  }
  if (tensor->scalar_type() != at::kLong || tensor->dim() != 1) {
    throw DataError(path + ": '" + name + "' must be a list of int64");
  }
  const int64_t* data = tensor->const_data_ptr<int64_t>();
  return {data, data + tensor->numel()};
}

std::string ReadMetadata(const SafetensorsFile& file, const std::string& name,
                         const std::string& path) {
  const auto found = file.metadata.find(name);
  if (found != file.metadata.end()) return found->second;
  throw DataError(path + " is not a partition: its metadata have no '" + name + "'");
}

}  // namespace

void SavePartition(const std::string& path, const Partition& partition,
                   const PartitionInput& input) {
  SafetensorsFile file;
  file.tensors = {{"offsets", View(partition.offsets)}, {"indices", View(partition.indices)}};
  file.metadata = {{"dataset", input.dataset_name}, {"hash", input.dataset_hash}};
  WriteSafetensors(path, file);
}

Partition LoadPartition(const std::string& path, const PartitionInput& input) {
  const SafetensorsFile file = ReadSafetensors(path);
  Partition partition;
  partition.offsets = ReadList(file, "offsets", path);
  partition.indices = ReadList(file, "indices", path);
  const std::string dataset = ReadMetadata(file, "dataset", path);
  const std::string hash = ReadMetadata(file, "hash", path);
  if (hash != input.dataset_hash) {
    throw DataError(path + " is a partition of other data: it was made for " + dataset +
                    " with hash " + hash + ", the experiment has " + input.dataset_name +
                    " with hash " + input.dataset_hash);
  }
  const std::vector<int64_t>& offsets = partition.offsets;
  if (offsets.size() < 2) throw DataError(path + ": 'offsets' must have at least 2 items");
  if (offsets.front() != 0) {
    throw DataError(path + ": 'offsets' must begin with 0, got " + std::to_string(offsets.front()));
  }
  for (size_t k = 1; k < offsets.size(); ++k) {
    if (offsets[k] > offsets[k - 1]) continue;
    throw DataError(path + ": client " + std::to_string(k - 1) +
                    " must have at least one example, but 'offsets' goes from " +
                    std::to_string(offsets[k - 1]) + " to " + std::to_string(offsets[k]));
  }
  if (offsets.back() != static_cast<int64_t>(partition.indices.size())) {
    throw DataError(path + ": 'offsets' must end with " + std::to_string(partition.indices.size()) +
                    ", the number of indices, got " + std::to_string(offsets.back()));
  }
  for (size_t i = 0; i < partition.indices.size(); ++i) {
    const int64_t index = partition.indices[i];
    if (index >= 0 && index < input.examples) continue;
    throw DataError(path + ": item " + std::to_string(i) + " of 'indices' must be 0 to " +
                    std::to_string(input.examples - 1) + ", got " + std::to_string(index));
  }
  return partition;
}

}  // namespace flsim
