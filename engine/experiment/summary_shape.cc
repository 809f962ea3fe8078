#include "engine/experiment/summary_shape.h"

#include "engine/experiment/record.h"

namespace flsim {

Json SummaryShape(const Experiment& experiment) {
  const DatasetFacts& facts = experiment.dataset().facts();
  const bool classification = facts.task == Task::kClassification;
  RoundRecord record;
  record.train_loss = 0;
  if (facts.test_examples != 0) {
    record.test = Metrics();
    if (classification) {
      record.test->accuracy = 0;
    } else {
      record.test->mse = record.test->r2 = 0;
    }
  }
  if (*experiment.config().evaluation.clients != "none") {
    record.clients = ClientMetrics();
    if (classification) record.clients->accuracy = Distribution();
  }
  RunSummary summary;
  summary.reason = "why it ended early";
  summary.stopped = "why it ended before its last round";
  summary.skipped_rounds = 1;
  summary.train_examples_per_s = 0;
  summary.final_metrics = summary.best_metrics = MetricsJson(record);
  return ToJson(summary);
}

}  // namespace flsim
