#include <ATen/ops/empty.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>

#include "engine/core/safetensors.h"
#include "tests/datasets/make.h"
#include "tests/temp_folder.h"

namespace flsim {
namespace {

PartitionInput Input() {
  PartitionInput input;
  input.examples = 10;
  input.dataset_name = "cifar10";
  input.dataset_hash = "abc";
  return input;
}

at::Tensor List(const std::vector<int64_t>& values) {
  at::Tensor tensor = at::empty({static_cast<int64_t>(values.size())}, at::kLong);
  std::copy(values.begin(), values.end(), tensor.data_ptr<int64_t>());
  return tensor;
}

/// The error of loading a file of these offsets and indices.
std::string LoadError(const std::string& path, const std::vector<int64_t>& offsets,
                      const std::vector<int64_t>& indices) {
  SafetensorsFile file;
  file.tensors = {{"offsets", List(offsets)}, {"indices", List(indices)}};
  file.metadata = {{"dataset", "cifar10"}, {"hash", "abc"}};
  WriteSafetensors(path, file);
  return ErrorOf<DataError>([&] { LoadPartition(path, Input()); });
}

TEST_CASE("A partition comes back from its file as it was", "[partition_file]") {
  const TempFolder folder;
  const std::string path = folder / "p.safetensors";
  const PartitionInput input = Input();
  const Partition saved = MakePartition({{"name", "linear"}, {"clients", 4}}, input);
  SavePartition(path, saved, input);
  const Partition loaded = MakePartition({{"name", "file"}, {"path", path}}, input, 99);
  CHECK(loaded.offsets == saved.offsets);
  CHECK(loaded.indices == saved.indices);
  CHECK(Bound<Partitioner>({{"name", "file"}, {"path", path}}).Make({})->clients() == -1);

  const SafetensorsFile file = ReadSafetensors(path);
  REQUIRE(file.Find("offsets") != nullptr);
  CHECK(file.Find("offsets")->scalar_type() == at::kLong);
  CHECK(file.Find("offsets")->sizes() == c10::IntArrayRef({5}));
  REQUIRE(file.Find("indices") != nullptr);
  CHECK(file.Find("indices")->sizes() == c10::IntArrayRef({10}));
  CHECK(file.metadata ==
        std::map<std::string, std::string>{{"dataset", "cifar10"}, {"hash", "abc"}});
}

TEST_CASE("A partition file may leave examples out and share them", "[partition_file]") {
  const TempFolder folder;
  CHECK(LoadError(folder / "p", {0, 2, 4}, {9, 0, 0, 3}).empty());
}

TEST_CASE("A partition of other data is refused, telling both", "[partition_file]") {
  const TempFolder folder;
  const std::string path = folder / "p.safetensors";
  SavePartition(path, MakePartition({{"name", "iid"}, {"clients", 2}}, Input()), Input());
  PartitionInput other = Input();
  other.dataset_name = "synthetic_regression";
  other.dataset_hash = "def";
  CHECK(ErrorOf<DataError>([&] { LoadPartition(path, other); }) ==
        path +
            " is a partition of other data: it was made for cifar10 with hash abc, the "
            "experiment has synthetic_regression with hash def");
}

TEST_CASE("A damaged partition file is refused and says what is wrong", "[partition_file]") {
  const TempFolder folder;
  const std::string path = folder / "p";
  CHECK(LoadError(path, {0}, {}) == path + ": 'offsets' must have at least 2 items");
  CHECK(LoadError(path, {1, 2}, {0, 1}) == path + ": 'offsets' must begin with 0, got 1");
  CHECK(LoadError(path, {0, 2, 2, 3}, {0, 1, 2}) ==
        path + ": client 1 must have at least one example, but 'offsets' goes from 2 to 2");
  CHECK(LoadError(path, {0, 3, 2}, {0, 1}) ==
        path + ": client 1 must have at least one example, but 'offsets' goes from 3 to 2");
  CHECK(LoadError(path, {0, 2}, {0, 1, 2}) ==
        path + ": 'offsets' must end with 3, the number of indices, got 2");
  CHECK(LoadError(path, {0, 2}, {0, 10}) == path + ": item 1 of 'indices' must be 0 to 9, got 10");
  CHECK(LoadError(path, {0, 2}, {-1, 0}) == path + ": item 0 of 'indices' must be 0 to 9, got -1");

  const auto error = [&](const SafetensorsFile& file) {
    WriteSafetensors(path, file);
    return ErrorOf<DataError>([&] { LoadPartition(path, Input()); });
  };
  SafetensorsFile file;
  file.tensors = {{"offsets", List({0, 1})}};
  CHECK(error(file) == path + " is not a partition: it has no tensor 'indices'");
  file.tensors.emplace_back("indices", at::empty({1}, at::kFloat));
  CHECK(error(file) == path + ": 'indices' must be a list of int64");
  file.tensors[1].second = List({0}).view({1, 1});
  CHECK(error(file) == path + ": 'indices' must be a list of int64");
  file.tensors[1].second = List({0});
  CHECK(error(file) == path + " is not a partition: its metadata have no 'dataset'");
  file.metadata = {{"dataset", "cifar10"}};
  CHECK(error(file) == path + " is not a partition: its metadata have no 'hash'");
}

TEST_CASE("A partition file cut anywhere is a data error, never a crash", "[partition_file]") {
  const TempFolder folder;
  const std::string path = folder / "p";
  SavePartition(path, MakePartition({{"name", "iid"}, {"clients", 2}}, Input()), Input());
  std::ostringstream whole;
  whole << std::ifstream(path, std::ios::binary).rdbuf();
  for (size_t size = 0; size < whole.str().size(); ++size) {
    std::ofstream(path, std::ios::binary) << whole.str().substr(0, size);
    CHECK_THROWS_AS(LoadPartition(path, Input()), DataError);
  }
}

TEST_CASE("The partition 'file' needs a path", "[partition_file]") {
  CHECK(ErrorOf<ConfigError>([] { Bound<Partitioner>("file"); }) ==
        "config has 1 problem\n"
        "  partition.path: missing; name a file that 'flsim partition --out FILE' has written");
}

}  // namespace
}  // namespace flsim
