// What clients keep from round to round: SCAFFOLD's control variates, Ditto's personal models, ...
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/core/safetensors.h"

namespace flsim {

/// One record of float32 vectors for each client that has taken part. Records live in memory up to
/// a budget and then in a memory-mapped file, which the operating system pages in and out.
///
/// A round is a transaction: Begin() gives each client of the cohort a new record beside its old
/// one, and Commit() or Abandon() settles which of the two stays. A record of the file that the
/// last checkpoint counts on is not written again before the next checkpoint is on disk.
class ClientStore {
 public:
  /// `sizes`: of each client's vectors; if none, nothing is kept. `file`: made when the budget is
  /// spent; one that is there already is what Load() takes records from.
  ClientStore(std::vector<int64_t> sizes, int64_t budget_bytes, std::string file);
  ~ClientStore();
  ClientStore(const ClientStore&) = delete;
  ClientStore& operator=(const ClientStore&) = delete;

  bool keeps_anything() const { return record_size_ > 0; }
  /// Clients that have a record.
  int64_t clients() const { return static_cast<int64_t>(records_.size()); }

  /// Throws DataError when the file can't grow.
  void Begin(const std::vector<int64_t>& cohort);
  void Commit();
  /// Forgets what the round has written; without a round, does nothing.
  void Abandon();

  /// The vectors of a client of the cohort, to be changed: a copy of those it had, or zeros. Once
  /// for each client between Begin() and Commit(); thread-safe.
  std::vector<at::Tensor> Open(int64_t client);
  /// The client's vectors, those of the round in progress if it takes part; none if it never did.
  std::vector<at::Tensor> Read(int64_t client) const;
  /// Whether it had taken part before the round in progress.
  bool Has(int64_t client) const { return records_.count(client) > 0; }

  /// Appends what a checkpoint has to hold, and makes sure that the file is on disk. Between
  /// rounds.
  void Save(SafetensorsFile& checkpoint);
  /// After that checkpoint is on disk: records that only an earlier one counted on are free.
  void Saved();
  /// Whether the file grows because no checkpoint has been written for long.
  bool WantsCheckpoint() const;
  /// Takes the records of a checkpoint. Throws DataError naming `path` (the checkpoint) if they
  /// don't fit.
  void Load(const SafetensorsFile& checkpoint, const std::string& path, int64_t population);

 private:
  /// 0, 1, ... in memory; -1, -2, ... in the file.
  using Record = int64_t;

  Record Allocate();
  void Free(Record record);
  float* Address(Record record) const;
  std::vector<at::Tensor> Views(Record record) const;
  void GrowMemory();
  void GrowFile(int64_t chunks);

  std::vector<int64_t> sizes_;
  int64_t record_size_ = 0;    ///< in floats
  int64_t chunk_records_ = 0;  ///< records of a chunk, the unit of mapping
  int64_t chunk_bytes_ = 0;
  int64_t memory_chunks_max_ = 0;
  std::string path_;
  int file_ = -1;
  std::vector<float*> memory_, mapped_;  ///< chunks
  std::vector<Record> free_memory_, free_file_;
  std::vector<Record> retired_;                  ///< of the file, until Saved()
  std::unordered_map<int64_t, Record> records_;  ///< of whole rounds, by client
  std::unordered_map<int64_t, Record> pending_;  ///< of the round in progress
};

}  // namespace flsim
