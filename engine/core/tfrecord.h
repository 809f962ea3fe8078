// TFRecord, TensorFlow's file format for a sequence of messages:
// https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace flsim {

/// CRC-32C (Castagnoli; RFC 3720).
uint32_t Crc32c(std::string_view bytes);

/// Appends an unsigned number's bytes, the lowest first.
template <class Unsigned>
void AppendLittleEndian(Unsigned value, std::string& out) {
  for (size_t i = 0; i < sizeof value; ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
}

/// One record of a TFRecord file: length, checksum of the length, `bytes`, their checksum.
std::string TfRecord(std::string_view bytes);

}  // namespace flsim
