// The six files of CIFAR-10's official binary format (Krizhevsky, 2009;
// https://www.cs.toronto.edu/~kriz/cifar.html): each is a row of records of one label byte and 3072
// pixel bytes, the red, green and blue 32x32 planes one after the other.
#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace flsim {

constexpr int64_t kCifar10Pixels = 3 * 32 * 32;
constexpr int64_t kCifar10Record = 1 + kCifar10Pixels;
constexpr int kCifar10Classes = 10;
constexpr int kCifar10TrainFiles = 5;

/// The folder of the files when the option `path` is as given: empty means $FLSIM_DATA or `data`;
/// in any of these places they may also lie in the archive's own folder, cifar-10-batches-bin.
std::string FindCifar10Folder(const std::string& path);

struct Cifar10Files {
  std::array<std::string, kCifar10TrainFiles + 1> bytes;  ///< as read; the last one is the test set
  int64_t train_records = 0;                              ///< of each of the five training files
  int64_t test_records = 0;
  std::string hash;  ///< SHA-256 over the files' SHA-256s
};

/// Reads and checks them on up to `threads` threads. Throws DataError, one line that names the file
/// and the remedy, if a file is missing, cut short, mislabelled or there twice.
Cifar10Files ReadCifar10(const std::string& folder, int threads);

}  // namespace flsim
