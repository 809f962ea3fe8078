#include "engine/core/files.h"

#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <thread>

#include "engine/core/error.h"
#include "tests/skip.h"
#include "tests/temp_folder.h"

namespace flsim {
namespace {

/// No file may grow beyond `bytes` while this lives: a disk that is full.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    getrlimit(RLIMIT_FSIZE, &before_);
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit = {bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_;
  void (*handler_)(int);
};

}  // namespace

TEST_CASE("what is written is read back, byte by byte") {
  const TempFolder folder;
  const std::string bytes("a\0\xff\n", 4);
  WriteFileAtomically(folder / "f", bytes);
  CHECK(ReadFile(folder / "f") == bytes);
  WriteFileAtomically(folder / "f", std::vector<std::string_view>{"one", "", "two"});
  CHECK(ReadFile(folder / "f") == "onetwo");
  WriteFileAtomically(folder / "f", std::string_view());
  CHECK(ReadFile(folder / "f").empty());
  CHECK(folder.count() == 1);
}

TEST_CASE("a file that a killed process left half written is used up by the next write") {
  const TempFolder folder;
  WriteFileAtomically(folder / "f.tmp", std::string(1000, 'x'));
  WriteFileAtomically(folder / "f", "short");
  CHECK(ReadFile(folder / "f") == "short");
  CHECK(folder.count() == 1);
}

TEST_CASE("a write that fails midway leaves the old file and nothing else") {
  const TempFolder folder;
  WriteFileAtomically(folder / "f", "old");
  std::string error;
  {
    const FileSizeLimit limit(4096);
    error = ErrorOf<DataError>([&] { WriteFileAtomically(folder / "f", std::string(9000, 'x')); });
  }
  CHECK(error == folder / "f" + " can't be written: File too large");
  CHECK(ReadFile(folder / "f") == "old");
  CHECK(folder.count() == 1);
}

TEST_CASE("a full disk is told as such and leaves the old file") {
  const TempFolder folder;
  if (mount("tmpfs", folder.path().c_str(), "tmpfs", 0, "size=64k") != 0) {
    return Skip("no right to mount a small file system");
  }
  WriteFileAtomically(folder / "f", "old");
  const std::string error =
      ErrorOf<DataError>([&] { WriteFileAtomically(folder / "f", std::string(100000, 'x')); });
  const std::string kept = ReadFile(folder / "f");
  const size_t count = folder.count();
  umount(folder.path().c_str());
  CHECK(error == folder / "f" +
                     " can't be written: No space left on device; free some space or write to "
                     "another folder");
  CHECK(kept == "old");
  CHECK(count == 1);
}

TEST_CASE("an output that can't be written is told with the reason") {
  const TempFolder folder;
  CHECK(ErrorOf<DataError>([&] { WriteFileAtomically(folder / "no/f", "x"); }) ==
        folder / "no/f" + " can't be written: No such file or directory; the folder " +
            folder / "no" + " does not exist");
  mkdir((folder / "d").c_str(), 0777);
  CHECK(ErrorOf<DataError>([&] { WriteFileAtomically(folder / "d", "x"); }) ==
        folder / "d" + " can't be written: it is not a regular file");
  CHECK(ErrorOf<DataError>([&] { WriteFileAtomically("/dev/null", "x"); }) ==
        "/dev/null can't be written: it is not a regular file");
  WriteFileAtomically(folder / "f", "x");
  CHECK(ErrorOf<DataError>([&] { WriteFileAtomically(folder / "f/g", "x"); }) ==
        folder / "f/g" + " can't be written: Not a directory");
  CHECK(folder.count() == 2);
  if (geteuid() == 0) return;  // root may write anywhere
  chmod(folder.path().c_str(), 0500);
  CHECK(ErrorOf<DataError>([&] { WriteFileAtomically(folder / "f", "y"); }) ==
        folder / "f" +
            " can't be written: Permission denied; write to a folder that you may change");
  chmod(folder.path().c_str(), 0700);
  CHECK(ReadFile(folder / "f") == "x");
}

TEST_CASE("several writers of one file leave one of their versions, whole") {
  const TempFolder folder;
  std::vector<std::thread> writers;
  for (int i = 0; i < 4; ++i) {
    writers.emplace_back([&, i] {
      for (int j = 0; j < 5; ++j) {
        WriteFileAtomically(folder / "f",
                            std::string(100000 + 1000 * i, static_cast<char>('a' + i)));
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  const std::string bytes = ReadFile(folder / "f");
  const int i = bytes.at(0) - 'a';
  CHECK(bytes == std::string(100000 + 1000 * i, static_cast<char>('a' + i)));
  CHECK(folder.count() == 1);
}

TEST_CASE("a file that can't be read is told with the reason") {
  const TempFolder folder;
  CHECK(ErrorOf<DataError>([&] { ReadFile(folder / "no"); }) ==
        folder / "no" + " can't be read: No such file or directory");
  CHECK(ErrorOf<DataError>([&] { ReadFile(folder.path().string()); }) ==
        folder.path().string() + " can't be read: it is not a regular file");
  CHECK(ErrorOf<DataError>([&] { ReadFile("/dev/zero"); }) ==
        "/dev/zero can't be read: it is not a regular file");
  mkfifo((folder / "pipe").c_str(), 0600);
  CHECK(ErrorOf<DataError>([&] { ReadFile(folder / "pipe"); }) ==
        folder / "pipe" + " can't be read: it is not a regular file");
}

TEST_CASE("parts of a file are read where they lie, and not beyond its end") {
  const TempFolder folder;
  WriteFileAtomically(folder / "f", "0123456789");
  const InputFile file(folder / "f");
  CHECK(file.size() == 10);
  std::string part(3, ' ');
  file.Read(4, part.data(), part.size());
  CHECK(part == "456");
  CHECK(ErrorOf<DataError>([&] { file.Read(8, part.data(), part.size()); }) ==
        folder / "f" + " can't be read: it ends after 10 bytes");
}

TEST_CASE("SHA-256 gives the published answers") {
  // FIPS 180-4, examples.
  CHECK(Sha256("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(Sha256("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(Sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

}  // namespace flsim
