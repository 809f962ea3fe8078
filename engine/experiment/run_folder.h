// The folder a run writes to. See docs/run_folder.md for its files.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "engine/core/error.h"
#include "engine/experiment/record.h"
#include "engine/experiment/tensorboard.h"

namespace flsim {

/// What to do about a run that the folder holds already.
enum class ExistingRun { kRefuse, kReplace, kResume };
/// What the folder is for: a replay can't be resumed.
enum class FolderOf { kRun, kReplay };

/// Another process writes to the folder.
class FolderInUse : public ConfigError {
 public:
  using ConfigError::ConfigError;
};

/// A text file that a run appends to. Throws DataError naming the file.
class AppendedFile {
 public:
  AppendedFile() = default;
  ~AppendedFile();
  AppendedFile(const AppendedFile&) = delete;
  AppendedFile& operator=(const AppendedFile&) = delete;
  /// Replaces the file by `kept` and opens it.
  void Open(const std::string& path, const std::string& kept);
  bool is_open() const { return file_ != nullptr; }
  /// Appends and flushes.
  void Append(const std::string& text);
  /// Makes sure that it is on disk.
  void Sync();

 private:
  std::string path_;
  std::FILE* file_ = nullptr;
};

/// Owns the folder for the life of the object: a second process on the same folder is refused.
class RunFolder : public RecordSink {
 public:
  /// Touches nothing. Throws ConfigError when the folder holds a run and `existing` refuses it, and
  /// on kResume when that run's config differs from `resolved` in anything but what does not change
  /// results (rounds may grow).
  RunFolder(std::string path, ExistingRun existing, const Json& resolved,
            FolderOf what = FolderOf::kRun);
  ~RunFolder() override;
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  /// Makes the folder and takes its lock (throws FolderInUse if another process has it), then looks
  /// again at what it holds: another process may have been quicker. Before anything is read from it
  /// or written to it.
  void Lock();

  /// Clears away a run that is to be replaced and writes config.json. `rounds_done`: of the
  /// checkpoint to go on from, -1 for a run from the start; rounds.jsonl keeps the rounds up to it
  /// and nothing else, and so does clients.csv, which is there if `clients`.
  void Begin(int64_t rounds_done, bool clients = false);

  const std::string& path() const { return path_; }
  std::string File(const std::string& name) const { return path_ + "/" + name; }
  std::string CheckpointFile() const { return File("checkpoint/state.safetensors"); }
  /// Where the state of clients goes that does not fit into memory.
  std::string ClientStateFile() const { return File("checkpoint/clients.bin"); }
  /// Whether there is a checkpoint to go on from; else a run that is to be resumed starts afresh.
  bool has_checkpoint() const;
  /// Whether that run has a clients.csv.
  bool goes_on_with_clients() const;

  /// Appends to rounds.jsonl, and for TensorBoard where the config asks for it, and flushes.
  void Round(const RoundRecord& record) override;
  /// Appends lines to clients.csv and flushes.
  void Clients(const std::string& lines);
  /// Makes sure that rounds.jsonl and clients.csv are on disk.
  void Sync();
  void WriteSummary(const RunSummary& summary);

 private:
  void Examine();
  /// A replay writes global models as a run that records does, but no recording.json.
  bool HoldsReplay() const;
  void RefuseChanges() const;
  void ClearOldRun();
  /// Rounds 0 .. rounds_done of rounds.jsonl.
  std::string KeptRounds(int64_t rounds_done) const;
  /// The same of clients.csv, its first line included; the first line alone if there is none.
  std::string KeptClients(int64_t rounds_done) const;

  std::string path_;
  ExistingRun existing_;
  FolderOf what_;
  Json resolved_;
  bool resuming_ = false, replacing_ = false;
  int lock_ = -1;
  AppendedFile rounds_, clients_;
  std::unique_ptr<TensorBoard> tensorboard_;
};

}  // namespace flsim
