#include "engine/core/files.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <new>
#include <stdexcept>

#include "engine/core/error.h"

namespace flsim {
namespace {

/// Calls a system call again as long as a signal interrupts it.
template <class Call>
auto Retry(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

std::string Folder(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

[[noreturn]] void FailToWrite(const std::string& path, int error) {
  std::string remedy;
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      remedy = "; free some space or write to another folder";
      break;
    case EACCES:
    case EPERM:
    case EROFS:
      remedy = "; write to a folder that you may change";
      break;
    case ENOENT:
      if (access(Folder(path).c_str(), F_OK) != 0) {
        remedy = "; the folder " + Folder(path) + " does not exist";
      }
      break;
  }
  throw DataError(path + " can't be written: " + std::strerror(error) + remedy);
}

[[noreturn]] void FailToRead(const std::string& path, const std::string& reason) {
  throw DataError(path + " can't be read: " + reason);
}

/// The temporary file beside `path`. It is gone when this object is, unless it was renamed.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& path) : path_(path), name_(path + ".tmp") {
    // One fixed name, so that what a killed process left is used up by the next one; the lock keeps
    // two processes apart that write the same file.
    for (;;) {
      descriptor_ = Retry([&] {
        return open(name_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
      });
      if (descriptor_ < 0) FailToWrite(path_, errno);
      // A file system without locks is written without one.
      Retry([&] { return flock(descriptor_, LOCK_EX); });
      struct stat ours, named;
      if (fstat(descriptor_, &ours) == 0 && stat(name_.c_str(), &named) == 0 &&
          ours.st_ino == named.st_ino && ours.st_dev == named.st_dev) {
        return;
      }
      close(descriptor_);  // Its former owner has renamed or removed it.
    }
  }
  ~TemporaryFile() {
    if (!renamed_) unlink(name_.c_str());
    if (descriptor_ >= 0) close(descriptor_);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  void Truncate() {
    if (Retry([&] { return ftruncate(descriptor_, 0); }) != 0) FailToWrite(path_, errno);
  }

  void Write(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t written = Retry([&] { return write(descriptor_, bytes.data(), bytes.size()); });
      if (written < 0) FailToWrite(path_, errno);
      bytes.remove_prefix(static_cast<size_t>(written));
    }
  }

  void Rename() {
    if (Retry([&] { return fsync(descriptor_); }) != 0) FailToWrite(path_, errno);
    if (rename(name_.c_str(), path_.c_str()) != 0) FailToWrite(path_, errno);
    renamed_ = true;
  }

 private:
  const std::string path_, name_;
  int descriptor_ = -1;
  bool renamed_ = false;
};

/// Makes the new name itself survive a power failure, where the file system can.
void SyncFolder(const std::string& path) {
  const int descriptor =
      Retry([&] { return open(Folder(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
  if (descriptor < 0) return;
  Retry([&] { return fsync(descriptor); });
  close(descriptor);
}

}  // namespace

void WriteFileAtomically(const std::string& path, std::string_view bytes) {
  WriteFileAtomically(path, std::vector<std::string_view>{bytes});
}

void WriteFileAtomically(const std::string& path, const std::vector<std::string_view>& pieces) {
  struct stat found;
  if (stat(path.c_str(), &found) == 0 && !S_ISREG(found.st_mode)) {
    // Renaming would replace a device by a file.
    throw DataError(path + " can't be written: it is not a regular file");
  }
  {
    TemporaryFile file(path);
    file.Truncate();
    for (const std::string_view piece : pieces) file.Write(piece);
    file.Rename();
  }
  SyncFolder(path);
}

InputFile::InputFile(const std::string& path) : path_(path) {
  // Without O_NONBLOCK a named pipe would wait here for its writer.
  descriptor_ = Retry([&] { return open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK); });
  if (descriptor_ < 0) FailToRead(path, std::strerror(errno));
  struct stat found;
  const bool regular = fstat(descriptor_, &found) == 0 && S_ISREG(found.st_mode);
  if (!regular) {
    close(descriptor_);
    FailToRead(path, "it is not a regular file");
  }
  size_ = static_cast<uint64_t>(found.st_size);
}

InputFile::~InputFile() { close(descriptor_); }

void InputFile::Read(uint64_t offset, void* to, size_t n) const {
  char* next = static_cast<char*>(to);
  while (n > 0) {
    const ssize_t got =
        Retry([&] { return pread(descriptor_, next, n, static_cast<off_t>(offset)); });
    if (got < 0) FailToRead(path_, std::strerror(errno));
    if (got == 0) FailToRead(path_, "it ends after " + std::to_string(offset) + " bytes");
    next += got;
    offset += static_cast<uint64_t>(got);
    n -= static_cast<size_t>(got);
  }
}

bool Exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

std::string ReadFile(const std::string& path) {
  const InputFile file(path);
  std::string bytes;
  try {
    bytes.resize(file.size());
  } catch (const std::bad_alloc&) {
    FailToRead(path, "its " + std::to_string(file.size()) + " bytes don't fit into memory");
  } catch (const std::length_error&) {
    FailToRead(path, "its " + std::to_string(file.size()) + " bytes don't fit into memory");
  }
  file.Read(0, bytes.data(), bytes.size());
  return bytes;
}

std::string Sha256(std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int size = 0;
  FLSIM_CHECK(EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr) ==
              1);
  std::string text;
  for (unsigned int i = 0; i < size; ++i) {
    text += "0123456789abcdef"[digest[i] >> 4];
    text += "0123456789abcdef"[digest[i] & 15];
  }
  return text;
}

}  // namespace flsim
