#include "datasets/cifar10_files.h"

#include <cstdlib>
#include <filesystem>

#include "datasets/parallel.h"
#include "engine/core/error.h"
#include "engine/core/files.h"

namespace flsim {
namespace {

namespace fs = std::filesystem;

constexpr int kFiles = kCifar10TrainFiles + 1;
constexpr const char* kFolder = "cifar-10-batches-bin";

std::string FileName(int file) {
  return file == kCifar10TrainFiles ? "test_batch.bin"
                                    : "data_batch_" + std::to_string(file + 1) + ".bin";
}

/// `folder` as a path without a slash at its end, so that its last part has a name.
fs::path Trimmed(std::string folder) {
  while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
  return folder;
}

/// The DIR for which tools/fetch_cifar10 puts the files where they are looked for.
std::string FetchFolder(const std::string& folder) {
  const fs::path path = Trimmed(folder);
  if (path.filename() != kFolder) return path.string();
  return path.has_parent_path() ? path.parent_path().string() : ".";
}

std::string Remedy(const std::string& folder) {
  return "put CIFAR-10's binary files (data_batch_1.bin to data_batch_5.bin, test_batch.bin) there "
         "with 'tools/fetch_cifar10 " +
         FetchFolder(folder) + "', or name their folder in FLSIM_DATA or dataset.path";
}

std::string FetchAgain(const std::string& folder) {
  return "; remove the folder and fetch it again with 'tools/fetch_cifar10 " + FetchFolder(folder) +
         "'";
}

/// Why `file` is not in `folder`, as far as what lies there tells.
[[noreturn]] void ThrowMissing(const std::string& folder, const std::string& file) {
  const fs::path path = Trimmed(folder);
  std::error_code ignored;
  if (Exists(path) && !fs::is_directory(path, ignored)) {
    throw DataError(folder + " is a file, but must be the folder of CIFAR-10's binary files" +
                    (path.extension() == ".gz" ? "; unpack it with 'tar -xzf " + folder + "' first"
                                               : "; " + Remedy(folder)));
  }
  const fs::path above = FetchFolder(folder);
  for (const fs::path& place : {path, above}) {
    const fs::path archive = place / "cifar-10-binary.tar.gz";
    if (!Exists(archive)) continue;
    throw DataError((path / file).string() + " is missing, but " + archive.string() +
                    " is there; unpack it with 'tar -xzf " + archive.string() + " -C " +
                    above.string() + "'");
  }
  for (const fs::path& pickles :
       {path / "data_batch_1", above / "cifar-10-batches-py", path / "cifar-10-python.tar.gz",
        above / "cifar-10-python.tar.gz"}) {
    if (!Exists(pickles)) continue;
    throw DataError((path / file).string() + " is missing, and " + pickles.string() +
                    " is the Python version of CIFAR-10, which flsim does not read; " +
                    Remedy(folder));
  }
  throw DataError((path / file).string() + " is missing; " + Remedy(folder));
}

void CheckRecords(const std::string& folder, int file, const std::string& bytes) {
  const std::string path = (fs::path(folder) / FileName(file)).string();
  const auto size = static_cast<int64_t>(bytes.size());
  if (size == 0 || size % kCifar10Record != 0) {
    throw DataError(path + " has " + std::to_string(size) +
                    " bytes, but must be one or more whole "
                    "records of " +
                    std::to_string(kCifar10Record) + " bytes" + FetchAgain(folder));
  }
  for (int64_t record = 0; record < size / kCifar10Record; ++record) {
    const auto label = static_cast<uint8_t>(bytes[static_cast<size_t>(record * kCifar10Record)]);
    if (label >= kCifar10Classes) {
      throw DataError(path + ": the label of record " + std::to_string(record) +
                      " must be 0 to 9, got " + std::to_string(label) + FetchAgain(folder));
    }
  }
}

}  // namespace

std::string FindCifar10Folder(const std::string& path) {
  const auto holds = [](const fs::path& folder) { return Exists(folder / FileName(0)); };
  if (!path.empty()) {
    const fs::path inner = fs::path(path) / kFolder;
    return !holds(path) && holds(inner) ? inner.string() : path;
  }
  const char* variable = std::getenv("FLSIM_DATA");
  if (variable == nullptr || *variable == '\0') return (fs::path("data") / kFolder).string();
  const fs::path data = Trimmed(variable);
  return holds(data) || data.filename() == kFolder ? data.string() : (data / kFolder).string();
}

Cifar10Files ReadCifar10(const std::string& folder, int threads) {
  for (int file = 0; file < kFiles; ++file) {
    if (!Exists(fs::path(folder) / FileName(file))) ThrowMissing(folder, FileName(file));
  }
  Cifar10Files files;
  std::array<std::string, kFiles> hashes;
  ParallelFor(threads, kFiles, [&](int64_t i) {
    const auto file = static_cast<size_t>(i);
    files.bytes[file] = ReadFile((fs::path(folder) / FileName(static_cast<int>(i))).string());
    CheckRecords(folder, static_cast<int>(i), files.bytes[file]);
    hashes[file] = Sha256(files.bytes[file]);
  });

  files.train_records = static_cast<int64_t>(files.bytes[0].size()) / kCifar10Record;
  files.test_records = static_cast<int64_t>(files.bytes.back().size()) / kCifar10Record;
  std::string all_hashes;
  for (size_t file = 0; file < kFiles; ++file) {
    const std::string path = (fs::path(folder) / FileName(static_cast<int>(file))).string();
    const int64_t records = static_cast<int64_t>(files.bytes[file].size()) / kCifar10Record;
    if (file < kCifar10TrainFiles && records != files.train_records) {
      throw DataError(path + " has " + std::to_string(records) +
                      " records, but data_batch_1.bin has " + std::to_string(files.train_records) +
                      "; the five training files must be equally long" + FetchAgain(folder));
    }
    for (size_t other = 0; other < file; ++other) {
      if (hashes[other] != hashes[file]) continue;
      throw DataError(path + " is the same file as " + FileName(static_cast<int>(other)) +
                      FetchAgain(folder));
    }
    all_hashes += hashes[file];
  }
  files.hash = Sha256(all_hashes);
  return files;
}

}  // namespace flsim
