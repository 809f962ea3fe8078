#include "engine/core/safetensors.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "engine/core/error.h"
#include "engine/core/files.h"
#include "engine/core/json.h"
#include "engine/core/rng.h"
#include "tests/temp_folder.h"

namespace flsim {
namespace {

/// A file with this header (its length put before it) and that many bytes of data.
std::string FileWith(const std::string& header, size_t data_bytes) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(header.size() >> (8 * i) & 0xFF);
  return bytes + header + std::string(data_bytes, '\0');
}

/// What reading these bytes says is wrong, without the file's name; "" if nothing is.
std::string ReadError(const TempFolder& folder, const std::string& bytes) {
  std::ofstream(folder / "f", std::ios::binary) << bytes;  // without the atomic write's fsync
  const std::string error = ErrorOf<DataError>([&] { ReadSafetensors(folder / "f"); });
  const std::string start = folder / "f" + " is not a valid safetensors file: ";
  return error.compare(0, start.size(), start) == 0 ? error.substr(start.size()) : error;
}

SafetensorsFile Sample() {
  SafetensorsFile file;
  file.tensors = {{"conv1.weight", at::arange(12, at::kFloat).view({3, 4})},
                  {"odd", at::ones({3}, at::kFloat)},
                  {"scalar", at::ones({}, at::kFloat)},
                  {"empty", at::empty({0, 4}, at::kFloat)}};
  file.metadata = {{"dataset", "cifar10"}, {"hash", "é\"\n"}};
  return file;
}

}  // namespace

TEST_CASE("tensors and metadata come back as they were, in order") {
  const TempFolder folder;
  const SafetensorsFile file = Sample();
  WriteSafetensors(folder / "f", file);
  const SafetensorsFile read = ReadSafetensors(folder / "f");
  CHECK(read.metadata == file.metadata);
  REQUIRE(read.tensors.size() == file.tensors.size());
  for (size_t i = 0; i < file.tensors.size(); ++i) {
    CHECK(read.tensors[i].first == file.tensors[i].first);
    CHECK(read.tensors[i].second.sizes() == file.tensors[i].second.sizes());
    CHECK(at::equal(read.tensors[i].second, file.tensors[i].second));
  }
  REQUIRE(read.Find("odd") != nullptr);
  CHECK(read.Find("odd")->size(0) == 3);
  CHECK(read.Find("even") == nullptr);
}

TEST_CASE("the metadata are read alone, also where the tensors are cut off") {
  const TempFolder folder;
  WriteSafetensors(folder / "f", Sample());
  CHECK(ReadSafetensorsMetadata(folder / "f") == Sample().metadata);
  std::filesystem::resize_file(folder / "f", std::filesystem::file_size(folder / "f") - 1);
  CHECK(ReadSafetensorsMetadata(folder / "f") == Sample().metadata);
  WriteSafetensors(folder / "f", {});
  CHECK(ReadSafetensorsMetadata(folder / "f").empty());
}

TEST_CASE("int64 tensors keep their values and come first, so that all tensors are aligned") {
  const TempFolder folder;
  SafetensorsFile file;
  const at::Tensor large = at::arange(int64_t{1} << 62, (int64_t{1} << 62) + 3, at::kLong);
  file.tensors = {{"f", at::ones({3}, at::kFloat)}, {"i", large}};
  WriteSafetensors(folder / "f", file);
  const SafetensorsFile read = ReadSafetensors(folder / "f");
  CHECK(read.tensors[0].first == "i");
  CHECK(at::equal(*read.Find("i"), large));
  const std::string bytes = ReadFile(folder / "f");
  const auto header_bytes = static_cast<uint8_t>(bytes[0]) + 256 * static_cast<uint8_t>(bytes[1]);
  CHECK(header_bytes % 8 == 0);
  CHECK(bytes.size() == 8u + static_cast<size_t>(header_bytes) + 24 + 12);
}

TEST_CASE("a tensor that is not contiguous is written as it looks") {
  const TempFolder folder;
  SafetensorsFile file;
  file.tensors = {{"t", at::arange(6, at::kFloat).view({2, 3}).t()}};
  WriteSafetensors(folder / "f", file);
  CHECK(at::equal(*ReadSafetensors(folder / "f").Find("t"), file.tensors[0].second));
}

TEST_CASE("a file without tensors is valid") {
  const TempFolder folder;
  WriteSafetensors(folder / "f", {});
  CHECK(ReadSafetensors(folder / "f").tensors.empty());
}

TEST_CASE("tensors that can't be written are our own bug and leave no file") {
  const TempFolder folder;
  for (const SafetensorsFile& file :
       {SafetensorsFile{{{"a", at::ones({1}, at::kFloat)}, {"a", at::ones({1}, at::kFloat)}}, {}},
        SafetensorsFile{{{"a", at::ones({1}, at::kDouble)}}, {}},
        SafetensorsFile{{{"__metadata__", at::ones({1}, at::kFloat)}}, {}},
        SafetensorsFile{{{"a", at::Tensor()}}, {}}}) {
    CHECK_THROWS_AS(WriteSafetensors(folder / "f", file), InternalError);
  }
  CHECK(folder.count() == 0);
}

TEST_CASE("a file that is cut short anywhere, or too long, is refused") {
  const TempFolder folder;
  WriteSafetensors(folder / "good", Sample());
  const std::string good = ReadFile(folder / "good");
  for (size_t size = 0; size < good.size(); ++size) {
    INFO(size);
    REQUIRE_FALSE(ReadError(folder, good.substr(0, size)).empty());
  }
  CHECK(ReadError(folder, "") == "it has only 0 bytes");
  CHECK(ReadError(folder, good.substr(0, good.size() - 4)) ==
        "its tensors take 64 bytes, but 60 follow the header");
  CHECK(ReadError(folder, good + "x") == "its tensors take 64 bytes, but 65 follow the header");
}

TEST_CASE("flipped bytes either load or are told as a data error") {
  const TempFolder folder;
  WriteSafetensors(folder / "good", Sample());
  const std::string good = ReadFile(folder / "good");
  Rng rng(1, {"flips"});
  int loaded = 0, refused = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string bytes = good;
    const uint64_t flips = 1 + rng.Below(3);
    for (uint64_t flip = 0; flip < flips; ++flip) {
      // Mostly the length and the header: data bytes are free to be anything.
      const uint64_t range = rng.Below(8) == 0 ? bytes.size() : bytes.size() - 64;
      bytes[rng.Below(range)] = static_cast<char>(rng.Below(256));
    }
    // Any other exception ends the test.
    ReadError(folder, bytes).empty() ? ++loaded : ++refused;
  }
  CHECK(loaded > 30);
  CHECK(refused > 1000);
}

TEST_CASE("a header that lies is told by what is wrong") {
  const TempFolder folder;
  const auto error = [&](const std::string& header, size_t bytes) {
    return ReadError(folder, FileWith(header, bytes));
  };
  const auto one = [&](const std::string& shape, const std::string& offsets) {
    return R"({"a":{"dtype":"F32","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}";
  };
  REQUIRE(error(one("[2]", "[0,8]"), 8).empty());

  CHECK(error(one("[3]", "[0,8]"), 8) == "tensor 'a': its shape takes 12 bytes, its offsets 8");
  CHECK(error(one("[2]", "[0,8]"), 12) == "its tensors take 8 bytes, but 12 follow the header");
  CHECK(error(one("[2]", "[4,12]"), 12) == "tensor 'a' starts at byte 4, expected 0");
  CHECK(error(one("[2]", "[0,8]"), 4) == "its tensors take 8 bytes, but 4 follow the header");
  // A terabyte, and products that wrap around 64 bits to 0 or to 8 bytes.
  CHECK(error(one("[274877906944]", "[0,1099511627776]"), 8) ==
        "its tensors take 1099511627776 bytes, but 8 follow the header");
  for (const char* shape : {"[4294967296,4294967296]", "[4611686018427387904,2]",
                            "[0,4611686018427387904,4611686018427387904]", "[9223372036854775807]",
                            "[18446744073709551615]"}) {
    CHECK(error(one(shape, "[0,8]"), 8) == "tensor 'a': its shape overflows");
  }
  for (const char* shape : {"[-1]", "[1.5]", "[\"2\"]", "[null]", "[18446744073709551616]"}) {
    CHECK(error(one(shape, "[0,8]"), 8) == "tensor 'a': \"shape\" must hold whole numbers");
  }
  for (const char* offsets : {"[8,0]", "[0]", "[0,4,8]", "[-8,0]", "8", "[0,8.0]", "{}"}) {
    CHECK(error(one("[2]", offsets), 8) ==
          "tensor 'a': \"data_offsets\" must be a begin and an end");
  }
  CHECK(error(one("2", "[0,8]"), 8) == "tensor 'a': \"shape\" must be a list");
  CHECK(error("[]", 0) == "its header is not a JSON object");
  CHECK(error(R"({"a":5})", 0) ==
        "tensor 'a' must have \"dtype\", \"shape\" and \"data_offsets\", nothing else");
  CHECK(error(R"({"a":{"dtype":4,"shape":[],"data_offsets":[0,4]}})", 4) ==
        "tensor 'a': \"dtype\" must be a string");
  CHECK(error(R"({"__metadata__":{"a":1}})", 0) == "its metadata 'a' is not a string");
  CHECK(error(R"({"__metadata__":"a"})", 0) == "its metadata is not an object");
}

TEST_CASE("overlapping tensors, gaps and a name that stands twice are refused") {
  const TempFolder folder;
  const auto two = [](const std::string& name, const std::string& offsets) {
    return R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},")" + name +
           R"(":{"dtype":"F32","shape":[2],"data_offsets":)" + offsets + "}}";
  };
  CHECK(ReadError(folder, FileWith(two("b", "[8,16]"), 16)).empty());
  CHECK(ReadError(folder, FileWith(two("b", "[4,12]"), 12)) ==
        "tensor 'b' starts at byte 4, expected 8");
  CHECK(ReadError(folder, FileWith(two("b", "[0,8]"), 8)) ==
        "tensor 'b' starts at byte 0, expected 8");
  CHECK(ReadError(folder, FileWith(two("b", "[12,20]"), 20)) ==
        "tensor 'b' starts at byte 12, expected 8");
  CHECK(ReadError(folder, FileWith(two("a", "[8,16]"), 16)) ==
        "its header has duplicate keys\n  a: stands twice in one object");
}

TEST_CASE("a header's length is believed only as far as the file goes") {
  const TempFolder folder;
  CHECK(ReadError(folder, std::string(8, '\xff')) ==
        "its header should have 18446744073709551615 bytes, but the file has only 8");
  CHECK(ReadError(folder, FileWith("{}", 0).replace(0, 1, "\x03")) ==
        "its header should have 3 bytes, but the file has only 10");
  CHECK(ReadError(folder, FileWith(std::string(9 << 20, ' '), 0)) ==
        "its header has 9437184 bytes; at most 8388608 are read");
  CHECK(
      ReadError(folder, FileWith("{\"a\": tru}", 0)).find("its header is not valid JSON: line 1") ==
      0);
  CHECK(ReadError(folder, FileWith(std::string(100000, '['), 0)).find("its header is n") == 0);
}

TEST_CASE("a type that flsim does not read is told with the tensor's name and what to do") {
  const TempFolder folder;
  const auto typed = [](const std::string& type) {
    return FileWith(R"({"fc.weight":{"dtype":")" + type + R"(","shape":[2],"data_offsets":[0,4]}})",
                    4);
  };
  CHECK(ReadError(folder, typed("F16")) ==
        folder / "f" +
            ": tensor 'fc.weight' has the type F16; flsim reads F32 and I64 only, so convert it "
            "and save the file again");
}

TEST_CASE("a failed write leaves the old file") {
  const TempFolder folder;
  CHECK(ErrorOf<DataError>([&] {
          WriteSafetensors(folder / "no/f", Sample());
        }).find("does not exist") != std::string::npos);
}

}  // namespace flsim
