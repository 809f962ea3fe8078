#include "engine/cli/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <mutex>

#include "engine/core/text.h"

namespace flsim {
namespace {

using Clock = std::chrono::steady_clock;

/// What is known of a run between two records.
class State {
 public:
  explicit State(int64_t rounds) : rounds_(rounds) {}

  void Take(const RoundRecord& record) {
    if (first_round_ < 0) {  // of a resumed run, rounds are behind it
      first_round_ = record.round;
      start_ = Clock::now();
    }
    Remember(record);
  }

  /// "round 12/100  train loss 1.2345  test accuracy 45.67%  5.43k examples/s  left 1:15"
  std::string Line() const {
    const std::string total = std::to_string(rounds_);
    std::string round = std::to_string(round_);
    round.insert(0, total.size() - std::min(total.size(), round.size()), ' ');
    std::string line = "round " + round + "/" + total;
    if (train_loss_) line += "  train loss " + Format("%.4g", *train_loss_);
    if (test_) {
      line += test_->accuracy ? "  test accuracy " + Format("%.2f%%", 100 * *test_->accuracy)
                              : "  test loss " + Format("%.4g", test_->loss);
      if (test_round_ != round_) line += " (round " + std::to_string(test_round_) + ")";
    }
    if (examples_per_s_ > 0) line += "  " + ShowCount(examples_per_s_) + " examples/s";
    const double left = SecondsLeft();
    if (left >= 0 && round_ < rounds_) line += "  left " + ShowDuration(left);
    return line;
  }

  double Fraction(double rounds_in_progress) const {
    return rounds_ == 0 ? 1
                        : std::min(1.0, (static_cast<double>(round_) + rounds_in_progress) /
                                            static_cast<double>(rounds_));
  }
  bool Done() const { return round_ == rounds_; }

 private:
  void Remember(const RoundRecord& record) {
    round_ = record.round;
    if (record.train_loss) train_loss_ = record.train_loss;
    if (record.test) {
      test_ = record.test;
      test_round_ = record.round;
    }
    if (record.wall_s > 0) examples_per_s_ = static_cast<double>(record.examples) / record.wall_s;
  }

  double SecondsLeft() const {
    const auto done = static_cast<double>(round_ - first_round_);
    if (done <= 0) return -1;
    const double elapsed = std::chrono::duration<double>(Clock::now() - start_).count();
    return elapsed / done * static_cast<double>(rounds_ - round_);
  }

  int64_t rounds_, round_ = 0, first_round_ = -1, test_round_ = 0;
  std::optional<double> train_loss_;
  std::optional<Metrics> test_;
  double examples_per_s_ = 0;
  Clock::time_point start_;
};

/// At most so often.
class Throttle {
 public:
  explicit Throttle(double seconds) : seconds_(seconds) {}
  bool Ready() {
    const auto now = Clock::now();
    if (shown_ && std::chrono::duration<double>(now - last_).count() < seconds_) return false;
    last_ = now;
    shown_ = true;
    return true;
  }

 private:
  double seconds_;
  bool shown_ = false;
  Clock::time_point last_;
};

class PlainLines : public RecordSink {
 public:
  explicit PlainLines(int64_t rounds) : state_(rounds) {}
  void Round(const RoundRecord& record) override {
    state_.Take(record);
    if (throttle_.Ready() || state_.Done()) std::fprintf(stderr, "%s\n", state_.Line().c_str());
  }

 private:
  State state_;
  Throttle throttle_{1.0};
};

class Bar : public RecordSink {
 public:
  explicit Bar(int64_t rounds) : state_(rounds) {}
  ~Bar() override {
    Draw();
    std::fputc('\n', stderr);
  }

  void Round(const RoundRecord& record) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    state_.Take(record);
    in_progress_ = 0;
    if (throttle_.Ready() || state_.Done()) Draw();
  }
  void Progress(int64_t, int64_t clients_done, int64_t cohort) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    in_progress_ =
        std::max(in_progress_, static_cast<double>(clients_done) / static_cast<double>(cohort));
    if (throttle_.Ready()) Draw();
  }

 private:
  void Draw() const {
    winsize size{};
    const int columns =
        ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
    std::string line = state_.Line();
    const int width = std::min(30, columns - static_cast<int>(line.size()) - 4);
    if (width >= 5) {
      const int filled = static_cast<int>(state_.Fraction(in_progress_) * width);
      line = "[" + std::string(static_cast<size_t>(filled), '#') +
             std::string(static_cast<size_t>(width - filled), '.') + "] " + line;
    } else {
      line.resize(std::min(line.size(), static_cast<size_t>(std::max(1, columns - 1))));
    }
    std::fprintf(stderr, "\r%s\033[K", line.c_str());
    std::fflush(stderr);
  }

  std::mutex mutex_;
  State state_;
  double in_progress_ = 0;
  Throttle throttle_{0.1};
};

}  // namespace

std::string ProgressKind(const std::string& flag) {
  if (!flag.empty()) return flag;
  return isatty(STDERR_FILENO) != 0 ? "bar" : "plain";
}

std::unique_ptr<RecordSink> MakeProgress(const std::string& kind, int64_t rounds) {
  if (kind == "bar") return std::make_unique<Bar>(rounds);
  if (kind == "plain") return std::make_unique<PlainLines>(rounds);
  return nullptr;
}

std::string ShowDuration(double seconds) {
  const auto whole = static_cast<long long>(std::llround(std::max(0.0, seconds)));
  if (whole < 3600) return Format("%lld:%02lld", whole / 60, whole % 60);
  return Format("%lld:%02lld:%02lld", whole / 3600, whole / 60 % 60, whole % 60);
}

std::string ShowCount(double value) {
  if (value >= 1e6) return Format("%.3gM", value / 1e6);
  if (value >= 1e3) return Format("%.3gk", value / 1e3);
  return Format("%.3g", value);
}

}  // namespace flsim
