#include "engine/core/tfrecord.h"

#include <boost/crc.hpp>

namespace flsim {
namespace {

/// The format's own twist, so that the checksum of data that contain checksums stays a good one.
uint32_t MaskedCrc(std::string_view bytes) {
  const uint32_t crc = Crc32c(bytes);
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

}  // namespace

uint32_t Crc32c(std::string_view bytes) {
  boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> crc;
  crc.process_bytes(bytes.data(), bytes.size());
  return crc.checksum();
}

std::string TfRecord(std::string_view bytes) {
  std::string record;
  AppendLittleEndian(static_cast<uint64_t>(bytes.size()), record);
  AppendLittleEndian(MaskedCrc(record), record);
  record += bytes;
  AppendLittleEndian(MaskedCrc(bytes), record);
  return record;
}

}  // namespace flsim
