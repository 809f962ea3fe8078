#include <catch2/catch.hpp>
#include <cstdlib>
#include <optional>

#include "tests/datasets/make.h"
#include "tests/datasets/tiny_cifar.h"
#include "tests/temp_folder.h"

namespace flsim {
namespace {

namespace fs = std::filesystem;

std::string LoadError(const std::string& folder) {
  return ErrorOf<DataError>([&] { LoadedDataset({{"name", "cifar10"}, {"path", folder}}); });
}

std::string ResolvedPath(const Json& options) {
  return Bound<Dataset>(options).resolved.at("path").get<std::string>();
}

/// Sets FLSIM_DATA (or takes it away) until the end of the scope.
class DataVariable {
 public:
  explicit DataVariable(const char* value) {
    if (const char* was = std::getenv("FLSIM_DATA")) was_ = was;
    Set(value);
  }
  ~DataVariable() { Set(was_ ? was_->c_str() : nullptr); }

 private:
  static void Set(const char* value) {
    if (value == nullptr)
      unsetenv("FLSIM_DATA");
    else
      setenv("FLSIM_DATA", value, 1);
  }
  std::optional<std::string> was_;
};

TEST_CASE("cifar10's resolved config names the folder that is used", "[cifar10]") {
  const TempFolder folder;
  WriteTinyCifar(folder.path() / "flat", 1);
  WriteTinyCifar(folder.path() / "deep" / "cifar-10-batches-bin", 1);
  {
    const DataVariable unset(nullptr);
    CHECK(ResolvedPath("cifar10") == "data/cifar-10-batches-bin");
  }
  {
    const DataVariable set((folder / "flat").c_str());
    CHECK(ResolvedPath("cifar10") == folder / "flat");
    CHECK(ResolvedPath({{"name", "cifar10"}, {"path", "elsewhere"}}) == "elsewhere");
  }
  {
    const DataVariable set((folder / "deep").c_str());
    CHECK(ResolvedPath("cifar10") == folder / "deep/cifar-10-batches-bin");
  }
  {
    const DataVariable set((folder / "nothing").c_str());
    CHECK(ResolvedPath("cifar10") == folder / "nothing/cifar-10-batches-bin");
  }
  CHECK(ResolvedPath({{"name", "cifar10"}, {"path", folder / "deep"}}) ==
        folder / "deep/cifar-10-batches-bin");
}

TEST_CASE("cifar10 says in one line what to put where if its files are missing", "[cifar10]") {
  const TempFolder folder;
  const std::string in = folder / "cifar-10-batches-bin";
  const std::string remedy =
      "put CIFAR-10's binary files (data_batch_1.bin to data_batch_5.bin, test_batch.bin) there "
      "with 'tools/fetch_cifar10 " +
      folder.path().string() + "', or name their folder in FLSIM_DATA or dataset.path";
  CHECK(LoadError(in) == in + "/data_batch_1.bin is missing; " + remedy);
  CHECK(LoadError(in + "/") == in + "/data_batch_1.bin is missing; " + remedy);
  WriteTinyCifar(in, 1);
  fs::remove(in + "/data_batch_4.bin");
  CHECK(LoadError(in) == in + "/data_batch_4.bin is missing; " + remedy);
  WriteTinyCifar(in, 1);
  fs::remove(in + "/test_batch.bin");
  CHECK(LoadError(in) == in + "/test_batch.bin is missing; " + remedy);

  SECTION("or if what is there are the Python pickles") {
    WriteBytes(in + "/data_batch_1", "pickle");
    CHECK(LoadError(in) == in + "/test_batch.bin is missing, and " + in +
                               "/data_batch_1 is the Python version of CIFAR-10, which flsim does "
                               "not read; " +
                               remedy);
  }
  SECTION("or if the archive was not unpacked") {
    fs::remove_all(in);
    WriteBytes(folder / "cifar-10-binary.tar.gz", "archive");
    CHECK(LoadError(in) == in + "/data_batch_1.bin is missing, but " + folder.path().string() +
                               "/cifar-10-binary.tar.gz is there; unpack it with 'tar -xzf " +
                               folder.path().string() + "/cifar-10-binary.tar.gz -C " +
                               folder.path().string() + "'");
  }
  SECTION("or if the path is a file") {
    const std::string archive = folder / "cifar.tar.gz";
    WriteBytes(archive, "archive");
    CHECK(LoadError(archive) == archive +
                                    " is a file, but must be the folder of CIFAR-10's binary "
                                    "files; unpack it with 'tar -xzf " +
                                    archive + "' first");
  }
}

TEST_CASE("cifar10 refuses damaged files and says which and how", "[cifar10]") {
  const TempFolder folder;
  WriteTinyCifar(folder.path(), 3);
  const std::string again = "; remove the folder and fetch it again with 'tools/fetch_cifar10 " +
                            folder.path().string() + "'";
  REQUIRE(LoadError(folder.path()).empty());
  std::string bytes = TinyCifarBytes(1, 3);

  SECTION("cut short") {
    WriteBytes(folder / "data_batch_2.bin", bytes.substr(0, 9000));
    CHECK(LoadError(folder.path()) == folder / "data_batch_2.bin" +
                                          " has 9000 bytes, but must be one or more whole records "
                                          "of 3073 bytes" +
                                          again);
  }
  SECTION("empty") {
    WriteBytes(folder / "test_batch.bin", "");
    CHECK(LoadError(folder.path()) == folder / "test_batch.bin" +
                                          " has 0 bytes, but must be one or more whole records of "
                                          "3073 bytes" +
                                          again);
  }
  SECTION("a record short") {
    WriteBytes(folder / "data_batch_2.bin", bytes.substr(0, 2 * 3073));
    CHECK(LoadError(folder.path()) == folder / "data_batch_2.bin" +
                                          " has 2 records, but data_batch_1.bin has 3; the five "
                                          "training files must be equally long" +
                                          again);
  }
  SECTION("mislabelled") {
    bytes[2 * 3073] = 10;
    WriteBytes(folder / "data_batch_2.bin", bytes);
    CHECK(LoadError(folder.path()) ==
          folder / "data_batch_2.bin" + ": the label of record 2 must be 0 to 9, got 10" + again);
    bytes[0] = static_cast<char>(255);
    WriteBytes(folder / "data_batch_2.bin", bytes);
    CHECK(LoadError(folder.path()) ==
          folder / "data_batch_2.bin" + ": the label of record 0 must be 0 to 9, got 255" + again);
  }
  SECTION("there twice") {
    WriteBytes(folder / "test_batch.bin", bytes);
    CHECK(LoadError(folder.path()) ==
          folder / "test_batch.bin" + " is the same file as data_batch_2.bin" + again);
  }
  SECTION("a folder in place of a file") {
    fs::remove(folder / "data_batch_2.bin");
    fs::create_directory(folder / "data_batch_2.bin");
    CHECK(LoadError(folder.path()) ==
          folder / "data_batch_2.bin" + " can't be read: it is not a regular file");
  }
}

TEST_CASE("cifar10 refuses options that make no sense", "[cifar10]") {
  const auto error = [](const Json& options) {
    Json all = {{"name", "cifar10"}};
    all.update(options);
    return ErrorOf<ConfigError>([&] { MakeDataset(all); });
  };
  CHECK(error({{"normalize", {{"mean", {0.5, 0.5}}}}}) ==
        "config has 1 problem\n"
        "  dataset.normalize.mean: needs 3 numbers (red, green, blue), got 2");
  CHECK(error({{"normalize", {{"std", {1, 0, 1}}}}}) ==
        "config has 1 problem\n  dataset.normalize.std[1]: must be greater than 0, got 0");
  CHECK(error({{"augment", {"crop", "rotate"}}}) ==
        "config has 1 problem\n"
        "  dataset.augment[1]: must be one of crop, flip; got \"rotate\"");
  CHECK(error({{"augment", {"flip", "flip"}}}) ==
        "config has 1 problem\n  dataset.augment: names 'flip' twice");
}

}  // namespace
}  // namespace flsim
