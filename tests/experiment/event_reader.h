// Reads TensorBoard's event files by their documented format, on its own terms: nothing of the
// engine's writer is used.
#pragma once

#include <catch2/catch.hpp>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/files.h"

namespace flsim {

struct ReadEvent {
  double wall_time = 0;
  int64_t step = 0;
  std::string file_version;
  bool starts_session = false;
  std::map<std::string, float> scalars;
};

/// CRC-32C bit by bit.
inline uint32_t SlowCrc32c(std::string_view bytes) {
  uint32_t crc = ~0u;
  for (const char byte : bytes) {
    crc ^= static_cast<unsigned char>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F63B78u : 0);
  }
  return ~crc;
}

template <class Number>
Number NumberAt(std::string_view bytes, size_t at) {
  Number number;
  REQUIRE(at + sizeof number <= bytes.size());
  std::memcpy(&number, bytes.data() + at, sizeof number);
  return number;
}

/// The records of a TFRecord file, checksums checked.
inline std::vector<std::string> ReadTfRecords(const std::string& bytes) {
  const auto check = [&](std::string_view data, size_t at) {
    const uint32_t crc = SlowCrc32c(data);
    CHECK(NumberAt<uint32_t>(bytes, at) == ((crc >> 15 | crc << 17) + 0xa282ead8u));
  };
  std::vector<std::string> records;
  for (size_t at = 0; at < bytes.size();) {
    const auto length = static_cast<size_t>(NumberAt<uint64_t>(bytes, at));
    check(std::string_view(bytes).substr(at, 8), at + 8);
    records.push_back(bytes.substr(at + 12, length));
    check(records.back(), at + 12 + length);
    at += 16 + length;
  }
  return records;
}

/// A field of a protocol-buffers message: the bytes of its value, or of a varint its number.
struct ReadField {
  unsigned number = 0;
  uint64_t varint = 0;
  std::string bytes;
};

inline std::vector<ReadField> ReadFields(const std::string& message) {
  std::vector<ReadField> fields;
  size_t at = 0;
  const auto varint = [&] {
    uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
      const auto byte = NumberAt<unsigned char>(message, at++);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < message.size()) {
    const uint64_t key = varint();
    ReadField field;
    field.number = static_cast<unsigned>(key >> 3);
    size_t length = 0;
    switch (key & 7) {
      case 0:
        field.varint = varint();
        break;
      case 1:
        length = 8;
        break;
      case 2:
        length = varint();
        break;
      case 5:
        length = 4;
        break;
      default:
        FAIL("wire type " << (key & 7));
    }
    REQUIRE(at + length <= message.size());
    field.bytes = message.substr(at, length);
    at += length;
    fields.push_back(field);
  }
  return fields;
}

inline ReadEvent ParseEvent(const std::string& message) {
  ReadEvent event;
  for (const ReadField& field : ReadFields(message)) {
    if (field.number == 1) event.wall_time = NumberAt<double>(field.bytes, 0);
    if (field.number == 2) event.step = static_cast<int64_t>(field.varint);
    if (field.number == 3) event.file_version = field.bytes;
    if (field.number == 7) event.starts_session = ReadFields(field.bytes).at(0).varint == 1;
    if (field.number != 5) continue;
    for (const ReadField& value : ReadFields(field.bytes)) {
      const std::vector<ReadField> parts = ReadFields(value.bytes);
      REQUIRE(parts.size() == 2);
      event.scalars[parts[0].bytes] = NumberAt<float>(parts[1].bytes, 0);
    }
  }
  return event;
}

/// The names of a folder's event files, in order.
inline std::vector<std::string> EventFiles(const std::string& folder) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name.find("tfevents") != std::string::npos) names.insert(name);
  }
  return {names.begin(), names.end()};
}

/// The events with scalars that TensorBoard shows: it reads a folder's files in the order of their
/// names, and where a session starts at a step, it discards that step and all later ones.
inline std::vector<ReadEvent> ShownEvents(const std::string& folder) {
  std::vector<ReadEvent> shown;
  for (const std::string& name : EventFiles(folder)) {
    for (const std::string& record : ReadTfRecords(ReadFile(folder + "/" + name))) {
      const ReadEvent event = ParseEvent(record);
      if (event.starts_session) {
        while (!shown.empty() && shown.back().step >= event.step) shown.pop_back();
      }
      if (!event.scalars.empty()) shown.push_back(event);
    }
  }
  return shown;
}

}  // namespace flsim
