// Event files for TensorBoard.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include "engine/experiment/record.h"

namespace flsim {

/// Writes the metrics of a run's rounds as scalars (test/accuracy, train/loss, time/round_s, ...;
/// step = round) into a new file of the folder, which the first round makes, and flushes each
/// round. From that round on, what the folder's older event files hold counts no more: TensorBoard
/// discards it when it comes to the new file. Throws DataError when it can't be written.
class TensorBoard : public RecordSink {
 public:
  explicit TensorBoard(std::string folder) : folder_(std::move(folder)) {}

  void Round(const RoundRecord& record) override;

 private:
  void Open(int64_t first_round);
  /// Appends an Event.
  void Write(const std::string& message);

  std::string folder_, path_;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_{nullptr, std::fclose};
};

/// Whether a file of this name is one that TensorBoard wrote.
bool IsEventFile(const std::string& name);

}  // namespace flsim
