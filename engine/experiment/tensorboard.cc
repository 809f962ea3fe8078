// The messages are those of tensorflow/core/util/event.proto and framework/summary.proto:
//   Event       wall_time = 1, step = 2, file_version = 3, summary = 5, session_log = 7
//   SessionLog  status = 1 (START is 1)
//   Summary     repeated value = 1: Value  tag = 1, simple_value = 2
// in the encoding of https://protobuf.dev/programming-guides/encoding.
#include "engine/experiment/tensorboard.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <regex>
#include <string_view>

#include "engine/core/error.h"
#include "engine/core/tfrecord.h"

namespace flsim {
namespace {

const std::regex& EventFileName() {
  static const std::regex pattern("events\\.out\\.tfevents\\.([0-9]{10})\\.flsim");
  return pattern;
}

double SecondsSinceEpoch() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// TensorBoard reads a folder's event files in the order of their names, so that a new one needs a
/// later time than all before.
std::string NewFileName(const std::string& folder) {
  auto time = static_cast<int64_t>(SecondsSinceEpoch());
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    std::smatch parts;
    if (std::regex_match(name, parts, EventFileName()))
      time = std::max<int64_t>(time, std::stoll(parts[1]) + 1);
  }
  return folder + "/events.out.tfevents." + std::to_string(time) + ".flsim";
}

/// A protocol-buffers message in the making.
class Message {
 public:
  void Integer(unsigned field, uint64_t value) {
    Key(field, 0);
    Varint(value);
  }
  void Double(unsigned field, double value) {
    Key(field, 1);
    uint64_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    AppendLittleEndian(bits, bytes_);
  }
  void Float(unsigned field, float value) {
    Key(field, 5);
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    AppendLittleEndian(bits, bytes_);
  }
  void Bytes(unsigned field, std::string_view value) {
    Key(field, 2);
    Varint(value.size());
    bytes_ += value;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  void Key(unsigned field, unsigned wire_type) { Varint(field << 3 | wire_type); }
  void Varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(value | 0x80);
    bytes_ += static_cast<char>(value);
  }

  std::string bytes_;
};

/// An Event that holds nothing but its time and round.
Message EventAt(int64_t round) {
  Message event;
  event.Double(1, SecondsSinceEpoch());
  event.Integer(2, static_cast<uint64_t>(round));
  return event;
}

/// A Summary in the making.
class Scalars {
 public:
  void Add(const std::string& tag, double scalar) {
    Message value;
    value.Bytes(1, tag);
    value.Float(2, static_cast<float>(scalar));
    summary_.Bytes(1, value.bytes());
  }
  void Add(const std::string& tag, int64_t count) { Add(tag, static_cast<double>(count)); }
  template <class T>
  void Add(const std::string& tag, const std::optional<T>& scalar) {
    if (scalar) Add(tag, *scalar);
  }
  void Add(const std::string& group, const Distribution& distribution) {
    const Json json = ToJson(distribution);
    for (const auto& item : json.items()) Add(group + "/" + item.key(), item.value().get<double>());
  }
  const std::string& bytes() const { return summary_.bytes(); }

 private:
  Message summary_;
};

}  // namespace

void TensorBoard::Open(int64_t first_round) {
  path_ = NewFileName(folder_);
  file_.reset(std::fopen(path_.c_str(), "wb"));
  if (file_ == nullptr) throw DataError("can't write " + path_ + ": " + std::strerror(errno));
  Message version = EventAt(first_round);
  version.Bytes(3, "brain.Event:2");
  Write(version.bytes());
  Message session, start = EventAt(first_round);
  session.Integer(1, 1);
  start.Bytes(7, session.bytes());
  Write(start.bytes());
}

void TensorBoard::Round(const RoundRecord& record) {
  if (file_ == nullptr) Open(record.round);
  Scalars scalars;
  scalars.Add("train/loss", record.train_loss);
  if (record.test) {
    scalars.Add("test/loss", record.test->loss);
    scalars.Add("test/accuracy", record.test->accuracy);
    scalars.Add("test/mse", record.test->mse);
    scalars.Add("test/r2", record.test->r2);
  }
  if (record.clients) {
    scalars.Add("client_loss", record.clients->loss);
    scalars.Add("client_accuracy", record.clients->accuracy);
  }
  if (record.round > 0) {
    scalars.Add("round/clients", static_cast<int64_t>(record.cohort.size()));
    scalars.Add("round/examples", record.examples);
    scalars.Add("round/steps", record.steps);
    scalars.Add("round/update_norm", record.update_norm);
    scalars.Add("bytes/up", record.bytes_up);
    scalars.Add("bytes/down", record.bytes_down);
    scalars.Add("time/round_s", record.wall_s);
  }
  scalars.Add("time/evaluation_s", record.evaluation_s);
  Message event = EventAt(record.round);
  event.Bytes(5, scalars.bytes());
  Write(event.bytes());
}

void TensorBoard::Write(const std::string& message) {
  const std::string record = TfRecord(message);
  if (std::fwrite(record.data(), 1, record.size(), file_.get()) != record.size() ||
      std::fflush(file_.get()) != 0) {
    throw DataError("can't write " + path_ + ": " + std::strerror(errno));
  }
}

bool IsEventFile(const std::string& name) { return std::regex_match(name, EventFileName()); }

}  // namespace flsim
