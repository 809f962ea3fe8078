#include "engine/cli/sweep_progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <map>

#include "engine/cli/progress.h"
#include "engine/core/text.h"
#include "engine/experiment/run_progress.h"

namespace flsim {
namespace {

std::string Percent(double part) { return Format("%3.0f%%", 100 * part); }

/// "test accuracy 45.67%", or a loss.
std::string Metric(const RoundRecord& record) {
  if (record.test && record.test->accuracy)
    return Format("test accuracy %.2f%%", 100 * *record.test->accuracy);
  if (record.test) return Format("test loss %.4g", record.test->loss);
  return record.train_loss ? Format("train loss %.4g", *record.train_loss) : "";
}

/// What is known of all trials.
class Board : public SweepObserver {
 public:
  Board(int64_t total, int64_t done, double seconds)
      : total_(total), done_(done), first_done_(done), expected_s_(seconds) {}

  void Started(const Trial& trial, int64_t until) override {
    running_[trial.number] = {trial.Folder() + "  " + trial.Label(), until, 0, ""};
    Changed();
  }
  void Round(const Trial& trial, const RoundRecord& record) override {
    Row& row = running_[trial.number];
    row.round = record.round;
    const std::string metric = Metric(record);
    if (record.test || row.metric.empty()) row.metric = metric;
    Changed();
  }
  void Ended(const Trial& trial, const TrialState& state) override {
    Row row = running_[trial.number];
    if (row.label.empty()) row.label = trial.Folder() + "  " + trial.Label();
    running_.erase(trial.number);
    if (state.settled()) ++done_;
    if (state.status == "failed") ++failed_;
    if (state.status != "paused") ShowEnd(row, state);
  }

 protected:
  struct Row {
    std::string label;
    int64_t until = 0, round = 0;
    std::string metric;
    double Part() const {
      return until == 0 ? 1 : static_cast<double>(round) / static_cast<double>(until);
    }
  };

  /// A trial has begun or has done a round.
  virtual void Changed() = 0;
  virtual void ShowEnd(const Row& row, const TrialState& state) = 0;

  static std::string EndText(const Row& row, const TrialState& state) {
    std::string text = row.label + "  " + state.status;
    if (!row.metric.empty()) text += "  " + row.metric;
    if (!state.reason.empty()) text += "  " + state.reason.substr(0, state.reason.find('\n'));
    return text;
  }
  static std::string RowText(const Row& row) {
    return "  " + Percent(row.Part()) + "  round " + std::to_string(row.round) + "/" +
           std::to_string(row.until) + "  " + row.metric + "  " + row.label;
  }
  std::string AllText() const {
    double part = 0;
    for (const auto& [number, row] : running_) part += row.Part();
    const double now = static_cast<double>(done_ - first_done_) + part;
    const auto left = static_cast<double>(total_ - done_) - part;
    std::string text = std::to_string(done_) + " of " + std::to_string(total_) + " trials done, " +
                       std::to_string(running_.size()) + " running";
    if (failed_ > 0) text += ", " + std::to_string(failed_) + " failed";
    // The estimate, until there is something better to go by.
    const double seconds =
        now >= 1 ? wall_.Seconds() / now * left : std::max(0.0, expected_s_ - wall_.Seconds());
    if (left > 0) text += "  left about " + ShowDuration(seconds);
    return text;
  }
  const std::map<int64_t, Row>& running() const { return running_; }
  bool Due(double every_s) {
    if (since_shown_.Seconds() < every_s) return false;
    since_shown_ = Stopwatch();
    return true;
  }

 private:
  int64_t total_, done_, first_done_, failed_ = 0;
  double expected_s_;
  std::map<int64_t, Row> running_;
  Stopwatch wall_, since_shown_;
};

class PlainBoard : public Board {
 public:
  using Board::Board;

 private:
  void Changed() override {
    if (Due(10)) std::fprintf(stderr, "%s\n", AllText().c_str());
  }
  void ShowEnd(const Row& row, const TrialState& state) override {
    std::fprintf(stderr, "%s\n", EndText(row, state).c_str());
  }
};

class BarBoard : public Board {
 public:
  using Board::Board;
  ~BarBoard() override { Erase(); }

 private:
  void Changed() override {
    if (Due(0.1)) Draw();
  }
  void ShowEnd(const Row& row, const TrialState& state) override {
    Erase();
    std::fprintf(stderr, "%s\n", EndText(row, state).c_str());
    Draw();
  }
  void Erase() {
    for (; drawn_ > 0; --drawn_) std::fputs("\033[A\033[2K", stderr);
  }
  void Draw() {
    Erase();
    winsize size{};
    const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    const size_t columns = known ? size.ws_col : 80, rows = known ? size.ws_row : 24;
    const auto line = [&](std::string text) {
      text.resize(std::min(text.size(), columns - 1));
      std::fprintf(stderr, "%s\n", text.c_str());
      ++drawn_;
    };
    for (const auto& [number, row] : running()) {
      if (drawn_ + 3 > static_cast<int>(rows)) break;
      line(RowText(row));
    }
    line(AllText());
    std::fflush(stderr);
  }
  int drawn_ = 0;
};

}  // namespace

std::unique_ptr<SweepObserver> MakeSweepProgress(const std::string& kind, int64_t total,
                                                 int64_t done, double seconds) {
  if (kind == "bar") return std::make_unique<BarBoard>(total, done, seconds);
  if (kind == "plain") return std::make_unique<PlainBoard>(total, done, seconds);
  return std::make_unique<SweepObserver>();
}

}  // namespace flsim
