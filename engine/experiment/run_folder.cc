#include "engine/experiment/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <regex>
#include <sstream>

#include "engine/core/error.h"
#include "engine/core/files.h"
#include "engine/experiment/client_lines.h"
#include "engine/experiment/update_recorder.h"

namespace flsim {
namespace fs = std::filesystem;
namespace {

/// Options that change neither the model nor the records, so that a resumed run may change them.
constexpr const char* kMayChange[] = {"runtime.workers",
                                      "runtime.client_state_mb",
                                      "output.checkpoint_every_s",
                                      "output.tensorboard",
                                      "output.dir",
                                      "name"};

/// Whether "KEY: was A, is B" is a difference in one of them.
bool MayChange(const std::string& difference) {
  return std::any_of(std::begin(kMayChange), std::end(kMayChange),
                     [&](const std::string& key) { return difference.rfind(key + ": ", 0) == 0; });
}

/// "round-0001", "global-0000.safetensors", "recording.json": what recording writes, and nothing of
/// the user's.
bool IsRecordedUpdate(const std::string& name) {
  static const std::regex pattern(
      "round-[0-9]{4,}|global-[0-9]{4,}\\.safetensors|recording\\.json");
  return std::regex_match(name, pattern);
}

/// The integer under a key; -1 if there is none.
int64_t IntegerAt(const Json& json, const char* key) {
  if (!json.is_object() || !json.contains(key) || !json.at(key).is_number_integer()) return -1;
  return json.at(key).get<int64_t>();
}

}  // namespace

AppendedFile::~AppendedFile() {
  if (file_ != nullptr) std::fclose(file_);
}

void AppendedFile::Open(const std::string& path, const std::string& kept) {
  WriteFileAtomically(path, kept);
  path_ = path;
  file_ = std::fopen(path.c_str(), "ab");
  if (file_ == nullptr) throw DataError("can't write " + path + ": " + std::strerror(errno));
}

void AppendedFile::Append(const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), file_) != text.size() || std::fflush(file_) != 0)
    throw DataError("can't write " + path_ + ": " + std::strerror(errno));
}

void AppendedFile::Sync() {
  if (fsync(fileno(file_)) != 0)
    throw DataError("can't write " + path_ + ": " + std::strerror(errno));
}

RunFolder::RunFolder(std::string path, ExistingRun existing, const Json& resolved, FolderOf what)
    : path_(std::move(path)), existing_(existing), what_(what), resolved_(resolved) {
  std::error_code ignored;
  if (Exists(path_) && !fs::is_directory(path_, ignored)) {
    throw ConfigError(path_ + " is a file; --out (or output.dir) must name a folder for the run");
  }
  if (Exists(File("sweep.json")))
    throw ConfigError(path_ + " holds a sweep; choose another folder with --out");
  Examine();
}

void RunFolder::Examine() {
  const bool holds_run = Exists(File("config.json")) || Exists(File("rounds.jsonl")) ||
                         Exists(File("summary.json")) || Exists(File("model.safetensors")) ||
                         Exists(File("clients.csv")) || Exists(File("partition.csv")) ||
                         Exists(File("checkpoint"));
  replacing_ = holds_run && existing_ == ExistingRun::kReplace;
  resuming_ = holds_run && existing_ == ExistingRun::kResume;
  if (holds_run && existing_ == ExistingRun::kRefuse) {
    const bool resumable = what_ == FolderOf::kRun;
    throw ConfigError(path_ + " already holds a run" +
                      (resumable ? "; add --resume to go on with it, --force to replace it, "
                                 : " or a replay; add --force to replace it, ") +
                      "or choose another folder with --out");
  }
  if (resuming_) {
    if (HoldsReplay()) {
      throw ConfigError("can't resume " + path_ +
                        ": it holds a replay, which has no checkpoint; replay anew with flsim "
                        "replay --force, or choose another folder with --out");
    }
    RefuseChanges();
  }
}

bool RunFolder::HoldsReplay() const {
  return Exists(GlobalFile(path_, 0)) && !Exists(File("recording.json"));
}

bool RunFolder::goes_on_with_clients() const {
  return has_checkpoint() && Exists(File("clients.csv"));
}

bool RunFolder::has_checkpoint() const { return resuming_ && Exists(CheckpointFile()); }

RunFolder::~RunFolder() {
  if (lock_ >= 0) close(lock_);
}

void RunFolder::RefuseChanges() const {
  const std::string file = File("config.json");
  if (!Exists(file)) {
    if (!Exists(CheckpointFile())) return;
    throw DataError(
        path_ + " holds a checkpoint but no config.json to compare with; start over with --force");
  }
  const Json before = ReadJsonFile(file);
  std::string changes;
  for (const std::string& difference : ConfigDifferences(before, resolved_)) {
    const bool grows = difference.rfind("rounds: ", 0) == 0 && IntegerAt(before, "rounds") >= 0 &&
                       IntegerAt(before, "rounds") < IntegerAt(resolved_, "rounds");
    if (!grows && !MayChange(difference)) changes += "\n  " + difference;
  }
  if (!changes.empty()) {
    throw ConfigError("can't resume " + path_ +
                      ": the config has changed (rounds may grow; free to change are " +
                      JoinNames({std::begin(kMayChange), std::end(kMayChange)}) + ")" + changes);
  }
}

void RunFolder::Lock() {
  std::error_code error;
  fs::create_directories(path_, error);
  if (!error) {
    lock_ = open(File(".lock").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644);
    if (lock_ < 0) error = std::error_code(errno, std::generic_category());
  }
  if (error) {
    throw ConfigError("can't write to the run folder " + path_ + ": " + error.message() +
                      "; choose another with --out or output.dir");
  }
  if (flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    throw FolderInUse(path_ + " is in use by another flsim process");
  }
  Examine();
}

void RunFolder::Begin(int64_t rounds_done, bool clients) {
  FLSIM_CHECK(lock_ >= 0, path_);
  try {
    if (replacing_) ClearOldRun();
    // A summary and a final model tell of a run that has ended; this one goes on.
    fs::remove(File("summary.json"));
    if (rounds_done < 0) fs::remove(File("best.safetensors"));
    fs::remove(File("model.safetensors"));
    fs::create_directories(File("checkpoint"));
  } catch (const fs::filesystem_error& error) {
    throw DataError("can't prepare the run folder: " + std::string(error.what()));
  }
  WriteFileAtomically(File("config.json"), resolved_.dump(2) + "\n");
  rounds_.Open(File("rounds.jsonl"), KeptRounds(rounds_done));
  if (clients) clients_.Open(File("clients.csv"), KeptClients(rounds_done));
  if (resolved_.at("output").at("tensorboard") == true)
    tensorboard_ = std::make_unique<TensorBoard>(path_);
}

void RunFolder::ClearOldRun() {
  for (const char* name :
       {"model.safetensors", "best.safetensors", "rounds.jsonl", "clients.csv", "partition.csv"})
    fs::remove(File(name));
  fs::remove_all(File("checkpoint"));
  for (const auto& entry : fs::directory_iterator(path_)) {
    const std::string name = entry.path().filename().string();
    if (IsRecordedUpdate(name) || IsEventFile(name)) fs::remove_all(entry.path());
  }
}

std::string RunFolder::KeptRounds(int64_t rounds_done) const {
  const std::string file = File("rounds.jsonl");
  std::string kept;
  int64_t expected = 0;
  if (rounds_done >= 0 && Exists(file)) {
    std::istringstream lines(ReadFile(file));
    for (std::string line; expected <= rounds_done && std::getline(lines, line);) {
      const Json record = Json::parse(line, nullptr, /*allow_exceptions=*/false);
      if (IntegerAt(record, "round") != expected) break;
      kept += line + "\n";
      ++expected;
    }
  }
  if (rounds_done >= 0 && expected != rounds_done + 1) {
    throw DataError(file + " should hold rounds 0 to " + std::to_string(rounds_done) +
                    " of the run to resume, but its line " + std::to_string(expected + 1) +
                    " is missing or damaged; start over with --force");
  }
  return kept;
}

std::string RunFolder::KeptClients(int64_t rounds_done) const {
  const std::string file = File("clients.csv"), columns = kClientColumns;
  if (rounds_done < 0 || !Exists(file)) return columns;
  const std::string text = ReadFile(file);
  if (text.rfind(columns, 0) != 0) return columns;
  size_t end = columns.size();
  for (size_t next; (next = text.find('\n', end)) != std::string::npos; end = next + 1) {
    int64_t round = 0;
    const auto read = std::from_chars(text.data() + end, text.data() + next, round);
    if (read.ec != std::errc() || round > rounds_done) break;
  }
  return text.substr(0, end);
}

void RunFolder::Round(const RoundRecord& record) {
  rounds_.Append(JsonLine(record));
  if (tensorboard_) tensorboard_->Round(record);
}

void RunFolder::Clients(const std::string& lines) { clients_.Append(lines); }

void RunFolder::Sync() {
  rounds_.Sync();
  if (clients_.is_open()) clients_.Sync();
}

void RunFolder::WriteSummary(const RunSummary& summary) {
  WriteFileAtomically(File("summary.json"), ToJson(summary).dump(2) + "\n");
}

}  // namespace flsim
