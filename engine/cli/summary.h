// What a run says of itself before it starts and when it has ended.
#pragma once

#include <string>
#include <vector>

#include "engine/analysis/runs.h"
#include "engine/experiment/run.h"

namespace flsim {

/// The losses of a run's rounds, for its chart.
class History : public RecordSink {
 public:
  History() = default;
  /// Of a run that was recorded: a resumed one has rounds of before.
  explicit History(const RecordedRun& run);
  void Round(const RoundRecord& record) override;
  /// (round, loss): the test loss where rounds have one, else the training loss.
  std::vector<std::pair<int64_t, double>> Losses() const;
  bool of_test() const { return !test_.empty(); }

 private:
  std::vector<std::pair<int64_t, double>> test_, train_;
};

/// "cifar10-dirichlet: fedavg + krum, lenet (62,006 parameters, torch backend) on cifar10, 100
/// rounds, 2 workers"
std::string Headline(const Experiment& experiment);

/// "50,000 training and 10,000 test examples; 100 clients hold 38 to 1,204 each (dirichlet)"; once
/// loaded.
std::string DataLine(const Experiment& experiment);

/// "warning: ..." a line.
std::string WarningLines(const std::vector<std::string>& warnings);

/// The closing table, the chart of the loss and, for synthetic data, the true coefficients beside
/// the learned ones.
std::string ClosingText(const Experiment& experiment, const RunResult& result,
                        const History& history, const std::string& folder);

/// A chart of (round, value) points, rounds increasing, of at most `columns` x `rows` characters
/// with its axis labels. A column stands for the same number of rounds as any other and shows the
/// last of its points, if it has one. Logarithmic when values span over a factor 50; "" for fewer
/// than three points.
std::string Chart(const std::vector<std::pair<int64_t, double>>& points, int columns, int rows);

/// 1234567 as "1,234,567".
std::string ShowInteger(int64_t value);

}  // namespace flsim
