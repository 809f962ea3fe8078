// The folder a run writes to. See README.md for its files.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "engine/experiment/record.h"
#include "engine/experiment/tensorboard.h"

namespace flsim {

/// What to do about a run that the folder holds already.
enum class ExistingRun { kRefuse, kReplace, kResume };
/// What the folder is for: a replay can't be resumed.
enum class FolderOf { kRun, kReplay };

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

  /// Makes the folder and takes its lock, then looks again at what it holds: another process may
  /// have been quicker. Before anything is read from it or written to it.
  void Lock();

  /// Clears away a run that is to be replaced and writes config.json. `rounds_done`: of the
  /// checkpoint to go on from, -1 for a run from the start; rounds.jsonl keeps the rounds up to it
  /// and nothing else.
  void Begin(int64_t rounds_done);

  const std::string& path() const { return path_; }
  std::string File(const std::string& name) const { return path_ + "/" + name; }
  std::string CheckpointFile() const { return File("checkpoint/state.safetensors"); }
  /// Where the state of clients goes that does not fit into memory.
  std::string ClientStateFile() const { return File("checkpoint/clients.bin"); }
  /// Whether there is a checkpoint to go on from; else a run that is to be resumed starts afresh.
  bool has_checkpoint() const;

  /// Appends to rounds.jsonl, and for TensorBoard where the config asks for it, and flushes.
  void Round(const RoundRecord& record) override;
  /// Makes sure that rounds.jsonl is on disk.
  void SyncRounds();
  /// clients.csv: the clients of the latest evaluation, one line each.
  void WriteClients(const ClientMetrics& clients);
  void WriteSummary(const RunSummary& summary);

 private:
  void Examine();
  /// A replay writes global models as a run that records does, but no recording.json.
  bool HoldsReplay() const;
  void RefuseChanges() const;
  void ClearOldRun();
  /// Rewrites rounds.jsonl with its rounds 0 .. rounds_done.
  void KeepRounds(int64_t rounds_done);

  std::string path_;
  ExistingRun existing_;
  FolderOf what_;
  Json resolved_;
  bool resuming_ = false, replacing_ = false;
  int lock_ = -1;
  std::FILE* rounds_ = nullptr;
  std::unique_ptr<TensorBoard> tensorboard_;
};

}  // namespace flsim
