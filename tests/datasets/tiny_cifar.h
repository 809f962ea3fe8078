// CIFAR-10 files of a few records in the official binary format.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

namespace flsim {

/// Files 0 to 4 are for training, 5 is the test set.
inline std::string TinyCifarName(int file) {
  return file == 5 ? "test_batch.bin" : "data_batch_" + std::to_string(file + 1) + ".bin";
}

/// Ten records in a row are of ten different classes.
inline int TinyCifarLabel(int file, int64_t record) {
  return static_cast<int>((record * 7 + file * 3) % 10);
}

/// Noise over a brightness that tells the class, so that a model can learn it.
inline uint8_t TinyCifarPixel(int file, int64_t record, int64_t pixel) {
  uint64_t x = static_cast<uint64_t>((file * 1000 + record) * 3072 + pixel);
  x = (x ^ (x >> 31)) * 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 29)) * 0xBF58476D1CE4E5B9u;
  return static_cast<uint8_t>(22 * TinyCifarLabel(file, record) + static_cast<int>((x >> 40) % 56));
}

inline std::string TinyCifarBytes(int file, int64_t records) {
  std::string bytes;
  for (int64_t record = 0; record < records; ++record) {
    bytes += static_cast<char>(TinyCifarLabel(file, record));
    for (int64_t pixel = 0; pixel < 3072; ++pixel)
      bytes += static_cast<char>(TinyCifarPixel(file, record, pixel));
  }
  return bytes;
}

inline void WriteBytes(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

/// Writes the six files, each of `records` records, into `folder`, which is made if need be.
inline void WriteTinyCifar(const std::filesystem::path& folder, int64_t records = 20) {
  std::filesystem::create_directories(folder);
  for (int file = 0; file < 6; ++file)
    WriteBytes(folder / TinyCifarName(file), TinyCifarBytes(file, records));
}

}  // namespace flsim
