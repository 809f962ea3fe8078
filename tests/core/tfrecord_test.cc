#include "engine/core/tfrecord.h"

#include <catch2/catch.hpp>

namespace flsim {
namespace {

std::string Hex(const std::string& bytes) {
  std::string text;
  for (const unsigned char byte : bytes) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

TEST_CASE("CRC-32C gives the values of RFC 3720, B.4, and of the catalogue of CRCs") {
  CHECK(Crc32c("123456789") == 0xE3069283);
  CHECK(Crc32c("") == 0);
  CHECK(Crc32c(std::string(32, '\0')) == 0x8A9136AA);
  CHECK(Crc32c(std::string(32, '\xff')) == 0x62A8AB43);
  std::string ascending;
  for (char i = 0; i < 32; ++i) ascending += i;
  CHECK(Crc32c(ascending) == 0x46DD794E);
}

// Made by RecordWriter of tensorboard 2.21.0 from Event(wall_time=1.5, step=300,
// file_version="brain.Event:2").
TEST_CASE("a record has the bytes that TensorBoard's own writer gives it") {
  using namespace std::string_literals;
  const std::string event =
      "\x09\0\0\0\0\0\0\xf8\x3f\x10\xac\x02\x1a\x0d"
      "brain.Event:2"s;
  CHECK(Hex(TfRecord(event)) ==
        "1b000000000000001a0d9e13"
        "09000000000000f83f10ac021a0d627261696e2e4576656e743a32"
        "0a8dc5e4");
}

}  // namespace
}  // namespace flsim
