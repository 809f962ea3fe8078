#include "engine/round/client_store.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <numeric>

#include "engine/core/error.h"

namespace flsim {
namespace {

constexpr int64_t kFloatsPerLine = 16;  ///< vectors begin at cache lines
constexpr int64_t kChunkBytes = 8 << 20;
constexpr const char* kClients = "clients.ids";
constexpr const char* kRecords = "clients.records";
constexpr const char* kMemory = "clients.memory";

int64_t RoundUp(int64_t n, int64_t multiple) { return (n + multiple - 1) / multiple * multiple; }

float* Map(int64_t bytes, int flags, int file, int64_t offset) {
  void* address =
      mmap(nullptr, static_cast<size_t>(bytes), PROT_READ | PROT_WRITE, flags, file, offset);
  if (address == MAP_FAILED) throw std::bad_alloc();
  return static_cast<float*>(address);
}

at::Tensor Int64Vector(int64_t n) { return at::empty({n}, at::TensorOptions(at::kLong)); }

}  // namespace

ClientStore::ClientStore(std::vector<int64_t> sizes, int64_t budget_bytes, std::string file)
    : sizes_(std::move(sizes)), path_(std::move(file)) {
  for (const int64_t size : sizes_) record_size_ += RoundUp(size, kFloatsPerLine);
  if (record_size_ == 0) return;
  const int64_t record_bytes = record_size_ * static_cast<int64_t>(sizeof(float));
  chunk_records_ = std::max<int64_t>(1, kChunkBytes / record_bytes);
  chunk_bytes_ = RoundUp(chunk_records_ * record_bytes, sysconf(_SC_PAGESIZE));
  memory_chunks_max_ = budget_bytes / chunk_bytes_;
}

ClientStore::~ClientStore() {
  for (float* chunk : memory_) munmap(chunk, static_cast<size_t>(chunk_bytes_));
  for (float* chunk : mapped_) munmap(chunk, static_cast<size_t>(chunk_bytes_));
  if (file_ >= 0) close(file_);
}

void ClientStore::GrowMemory() {
  memory_.push_back(Map(chunk_bytes_, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  const Record end = static_cast<Record>(memory_.size()) * chunk_records_;
  for (int64_t i = 1; i <= chunk_records_; ++i) free_memory_.push_back(end - i);
}

void ClientStore::GrowFile(int64_t chunks) {
  const auto fail = [&](int error) {
    throw DataError("can't grow " + path_ + " (state of clients) to " +
                    std::to_string((static_cast<int64_t>(mapped_.size()) + 1) * chunk_bytes_) +
                    " bytes: " + std::strerror(error) +
                    "; a larger runtime.client_state_mb keeps more of it in memory");
  };
  if (file_ < 0) {
    file_ = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (file_ < 0) fail(errno);
  }
  while (static_cast<int64_t>(mapped_.size()) < chunks) {
    const int64_t offset = static_cast<int64_t>(mapped_.size()) * chunk_bytes_;
    // Space is taken now: a write to a mapping that finds the disk full would kill the process.
    int error = EINTR;
    while (error == EINTR) error = posix_fallocate(file_, offset, chunk_bytes_);
    if (error != 0) fail(error);
    mapped_.push_back(Map(chunk_bytes_, MAP_SHARED, file_, offset));
    for (int64_t i = chunk_records_; i >= 1; --i) {
      free_file_.push_back(-(static_cast<Record>(mapped_.size()) - 1) * chunk_records_ - i);
    }
  }
}

ClientStore::Record ClientStore::Allocate() {
  if (free_memory_.empty() && static_cast<int64_t>(memory_.size()) < memory_chunks_max_) {
    GrowMemory();
  }
  std::vector<Record>* free = &free_memory_;
  if (free->empty()) {
    free = &free_file_;
    if (free->empty()) GrowFile(static_cast<int64_t>(mapped_.size()) + 1);
  }
  const Record record = free->back();
  free->pop_back();
  return record;
}

void ClientStore::Free(Record record) {
  (record >= 0 ? free_memory_ : free_file_).push_back(record);
}

float* ClientStore::Address(Record record) const {
  const int64_t index = record >= 0 ? record : -record - 1;
  const std::vector<float*>& chunks = record >= 0 ? memory_ : mapped_;
  return chunks[static_cast<size_t>(index / chunk_records_)] +
         index % chunk_records_ * record_size_;
}

std::vector<at::Tensor> ClientStore::Views(Record record) const {
  std::vector<at::Tensor> views;
  float* at = Address(record);
  for (const int64_t size : sizes_) {
    views.push_back(at::from_blob(at, {size}, at::TensorOptions(at::kFloat)));
    at += RoundUp(size, kFloatsPerLine);
  }
  return views;
}

void ClientStore::Begin(const std::vector<int64_t>& cohort) {
  if (record_size_ == 0) return;
  FLSIM_CHECK(pending_.empty());
  for (const int64_t client : cohort) pending_[client] = Allocate();
}

void ClientStore::Commit() {
  for (const auto& [client, record] : pending_) {
    const auto [found, is_new] = records_.emplace(client, record);
    if (is_new) continue;
    if (found->second >= 0) {
      Free(found->second);
    } else {
      retired_.push_back(found->second);
    }
    found->second = record;
  }
  pending_.clear();
}

void ClientStore::Abandon() {
  for (const auto& entry : pending_) Free(entry.second);
  pending_.clear();
}

std::vector<at::Tensor> ClientStore::Open(int64_t client) {
  if (record_size_ == 0) return {};
  const Record record = pending_.at(client);
  const auto bytes = static_cast<size_t>(record_size_) * sizeof(float);
  const auto old = records_.find(client);
  if (old == records_.end()) {
    std::memset(Address(record), 0, bytes);
  } else {
    std::memcpy(Address(record), Address(old->second), bytes);
  }
  return Views(record);
}

std::vector<at::Tensor> ClientStore::Read(int64_t client) const {
  const auto pending = pending_.find(client);
  if (pending != pending_.end()) return Views(pending->second);
  const auto found = records_.find(client);
  return found == records_.end() ? std::vector<at::Tensor>() : Views(found->second);
}

bool ClientStore::WantsCheckpoint() const {
  return static_cast<int64_t>(retired_.size()) > clients() + 8 * chunk_records_;
}

void ClientStore::Save(SafetensorsFile& checkpoint) {
  if (record_size_ == 0) return;
  FLSIM_CHECK(pending_.empty());
  std::vector<int64_t> ids;
  for (const auto& entry : records_) ids.push_back(entry.first);
  std::sort(ids.begin(), ids.end());
  at::Tensor clients = Int64Vector(static_cast<int64_t>(ids.size()));
  at::Tensor places = Int64Vector(static_cast<int64_t>(ids.size()));
  std::vector<Record> in_memory;
  for (size_t i = 0; i < ids.size(); ++i) {
    const Record record = records_.at(ids[i]);
    clients.mutable_data_ptr<int64_t>()[i] = ids[i];
    // In the checkpoint the records of memory follow each other.
    places.mutable_data_ptr<int64_t>()[i] =
        record >= 0 ? static_cast<int64_t>(in_memory.size()) : record;
    if (record >= 0) in_memory.push_back(record);
  }
  at::Tensor memory = at::empty({static_cast<int64_t>(in_memory.size()), record_size_},
                                at::TensorOptions(at::kFloat));
  for (size_t i = 0; i < in_memory.size(); ++i) {
    std::memcpy(memory.mutable_data_ptr<float>() + static_cast<int64_t>(i) * record_size_,
                Address(in_memory[i]), static_cast<size_t>(record_size_) * sizeof(float));
  }
  checkpoint.tensors.emplace_back(kClients, clients);
  checkpoint.tensors.emplace_back(kRecords, places);
  checkpoint.tensors.emplace_back(kMemory, memory);
  if (file_ >= 0 && fsync(file_) != 0) {
    throw DataError("can't write " + path_ + ": " + std::strerror(errno));
  }
}

void ClientStore::Saved() {
  for (const Record record : retired_) Free(record);
  retired_.clear();
}

void ClientStore::Load(const SafetensorsFile& checkpoint, const std::string& path,
                       int64_t population) {
  if (record_size_ == 0) return;
  FLSIM_CHECK(records_.empty() && pending_.empty());
  const auto refuse = [&](const std::string& why) {
    throw DataError(path + ": " + why + "; start over with --force");
  };
  const at::Tensor* ids = checkpoint.Find(kClients);
  const at::Tensor* places = checkpoint.Find(kRecords);
  const at::Tensor* memory = checkpoint.Find(kMemory);
  if (ids == nullptr || places == nullptr || memory == nullptr || ids->scalar_type() != at::kLong ||
      places->scalar_type() != at::kLong || memory->scalar_type() != at::kFloat ||
      ids->dim() != 1 || places->dim() != 1 || memory->dim() != 2 ||
      ids->numel() != places->numel() || memory->size(1) != record_size_) {
    refuse("does not hold the clients' state of this strategy");
  }
  const auto* id = ids->const_data_ptr<int64_t>();
  const auto* place = places->const_data_ptr<int64_t>();
  int64_t file_records = 0;
  for (int64_t i = 0; i < ids->numel(); ++i) {
    if (id[i] < 0 || id[i] >= population || (i > 0 && id[i] <= id[i - 1]) ||
        place[i] >= memory->size(0)) {
      refuse("has a damaged list of clients");
    }
    file_records = std::max(file_records, -place[i]);
  }
  const int64_t chunks = (file_records + chunk_records_ - 1) / chunk_records_;
  if (chunks > 0) {
    struct stat status {};
    if (stat(path_.c_str(), &status) != 0 || status.st_size < chunks * chunk_bytes_) {
      refuse("needs " + path_ + " with " + std::to_string(chunks * chunk_bytes_) +
             " bytes of clients' state, which is missing or shorter");
    }
    GrowFile(chunks);
  }
  std::vector<bool> used(static_cast<size_t>(chunks * chunk_records_));
  for (int64_t i = 0; i < ids->numel(); ++i) {
    if (place[i] >= 0) continue;
    const auto index = static_cast<size_t>(-place[i] - 1);
    if (used[index]) refuse("has a damaged list of clients");
    used[index] = true;
    records_[id[i]] = place[i];
  }
  free_file_.clear();
  for (size_t index = used.size(); index-- > 0;) {
    if (!used[index]) free_file_.push_back(-static_cast<Record>(index) - 1);
  }
  for (int64_t i = 0; i < ids->numel(); ++i) {
    if (place[i] < 0) continue;
    const Record record = Allocate();
    std::memcpy(Address(record), memory->const_data_ptr<float>() + place[i] * record_size_,
                static_cast<size_t>(record_size_) * sizeof(float));
    records_[id[i]] = record;
  }
}

}  // namespace flsim
