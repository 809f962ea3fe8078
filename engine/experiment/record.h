// What a run reports: plain data, and who takes it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/json.h"
#include "engine/round/evaluation.h"

namespace flsim {

/// One round, or (round 0) the initial model. A metric that was not taken is absent.
struct RoundRecord {
  int64_t round = 0;
  std::vector<int64_t> cohort;       ///< client ids, increasing
  int64_t examples = 0;              ///< trained on, counted once for each epoch
  int64_t steps = 0;                 ///< local steps of all clients
  std::optional<double> train_loss;  ///< mean over `examples`, each at the time it was trained on
  std::optional<Metrics> test;
  std::optional<ClientMetrics> clients;
  std::vector<ClientReport> reports;     ///< of the cohort's clients, where they are recorded
  std::optional<double> update_norm;     ///< of what the server optimizer stepped along
  std::string skipped;                   ///< why the round moved nothing, if it didn't
  int64_t bytes_up = 0, bytes_down = 0;  ///< between the cohort and the server
  int64_t client_bytes = 0;              ///< of these, one client's, both ways
  double wall_s = 0;                     ///< sampling to server update
  std::optional<double> evaluation_s;    ///< for which nothing but the evaluation went on
};

/// Fills in what the cohort's clients did.
void Summarize(const Aggregate& aggregate, RoundRecord& record);

/// The line of rounds.jsonl, its end included.
std::string JsonLine(const RoundRecord& record);

/// The metrics of a record as summary.json shows them, `round` included.
Json MetricsJson(const RoundRecord& record);

/// Whether more of a metric is better, which holds for accuracies (not for how they are spread), r2
/// and Jain's index.
bool HigherIsBetter(const std::string& metric);

/// As the lines of rounds.jsonl show it.
Json ToJson(const Distribution& distribution);

/// What a run came to.
struct RunSummary {
  std::string status;          ///< completed, interrupted, paused or diverged
  std::string reason;          ///< of a status other than completed
  std::string stopped;         ///< why a completed run ended before its last round, if it did
  int64_t rounds = 0;          ///< done
  int64_t skipped_rounds = 0;  ///< of these, those that moved nothing
  Json final_metrics, best_metrics;
  double wall_s = 0;  ///< of all rounds and evaluations, earlier parts of a resumed run included
  std::optional<double> train_examples_per_s;  ///< absent for a replay
  int64_t peak_rss_bytes = 0;
  std::string model_sha256;  ///< of the parameters' bytes
  uint64_t seed = 0;
};

Json ToJson(const RunSummary& summary);

/// Takes a run's records as they come.
class RecordSink {
 public:
  virtual ~RecordSink() = default;
  virtual void Round(const RoundRecord& record) = 0;
  /// While a round is trained, now and then: how many of its cohort are done. Called by several
  /// threads at once; the record of the round before may still be to come, where its test waits.
  virtual void Progress(int64_t round, int64_t clients_done, int64_t cohort) {}
};

}  // namespace flsim
