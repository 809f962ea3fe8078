#include "engine/experiment/run_progress.h"

#include <sys/resource.h>

#include <cmath>
#include <utility>

#include "engine/core/error.h"
#include "engine/core/files.h"
#include "engine/core/vector_ops.h"

namespace flsim {
namespace {

/// Whether `metrics` are better, by the first metric that either of them has.
bool IsBetter(const Json& metrics, const Json& best, bool personal) {
  if (best.is_null()) return true;
  std::vector<const char*> keys = {"test_accuracy", "test_loss"};
  if (personal) keys.insert(keys.begin(), {"client_accuracy_mean", "client_loss_mean"});
  for (const char* key : keys) {
    if (metrics.contains(key) != best.contains(key)) return metrics.contains(key);
    if (!metrics.contains(key)) continue;
    return HigherIsBetter(key) ? metrics.at(key) > best.at(key) : metrics.at(key) < best.at(key);
  }
  return false;
}

}  // namespace

bool RunProgress::Take(const RoundRecord& record, bool personal) {
  if (!record.skipped.empty()) ++skipped_rounds;
  final_metrics = MetricsJson(record);
  const bool judged = record.test || (personal && record.clients);
  const bool best = judged && IsBetter(final_metrics, best_metrics, personal);
  if (best) best_metrics = final_metrics;
  return best;
}

std::string DropDivergedTest(RoundRecord& record) {
  if (!record.test || std::isfinite(record.test->loss)) return "";
  record.test.reset();
  record.evaluation_s.reset();
  return "round " + std::to_string(record.round) +
         ": the test loss is not finite; a smaller training.lr or server_optimizer.lr may help";
}

ServerState Clone(const ServerState& state) {
  const auto copy = [](const at::Tensor& tensor) {
    at::Tensor out = Uninitialized(tensor.numel(), tensor.device());
    Copy(out, tensor);
    return out;
  };
  ServerState clone;
  clone.round = state.round;
  clone.clients = state.clients;
  clone.parameters = copy(state.parameters);
  clone.buffers = copy(state.buffers);
  for (const auto& [name, tensor] : state.tensors) clone.tensors[name] = copy(tensor);
  return clone;
}

RunSummary EndOf(const std::function<void()>& work) {
  RunSummary summary;
  summary.status = "completed";
  try {
    work();
  } catch (const InterruptedError& error) {
    summary.status = "interrupted";
    summary.reason = error.what();
  } catch (const DivergedError& error) {
    summary.status = "diverged";
    summary.reason = error.what();
  }
  return summary;
}

void Describe(const RunProgress& progress, const ServerState& state, uint64_t seed,
              RunSummary& summary) {
  summary.rounds = state.round;
  summary.skipped_rounds = progress.skipped_rounds;
  if (summary.status == "completed") summary.stopped = progress.stop.reason;
  summary.final_metrics = progress.final_metrics;
  summary.best_metrics = progress.best_metrics;
  summary.wall_s = progress.wall_s;
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  summary.peak_rss_bytes = static_cast<int64_t>(usage.ru_maxrss) * 1024;
  summary.model_sha256 =
      Sha256({reinterpret_cast<const char*>(state.parameters.const_data_ptr<float>()),
              static_cast<size_t>(state.parameters.numel()) * sizeof(float)});
  summary.seed = seed;
}

}  // namespace flsim
