#include "engine/round/round_runner.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <new>

namespace flsim {
namespace {

/// Into how many parts a cohort is cut at most: many enough to keep workers evenly busy, few enough
/// that handing out and folding parts costs little beside the smallest clients. Never derived from
/// the number of workers.
constexpr int64_t kMaxParts = 256;

/// Adds round and client to what a failed client says, unless it says so itself.
[[noreturn]] void RethrowForClient(const ClientTask& task) {
  try {
    throw;
  } catch (const DivergedError&) {
    throw;
  } catch (const InterruptedError&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const c10::Error& error) {
    const std::string what = error.what_without_backtrace();
    if (what.find("can't allocate memory") != std::string::npos) throw std::bad_alloc();
    throw InternalError("round " + std::to_string(task.round) + ", client " +
                        std::to_string(task.client) + ": " + what);
  } catch (const DataError&) {
    throw;
  } catch (const ConfigError& error) {
    throw ConfigError(error.what() + (" (round " + std::to_string(task.round)) + ", client " +
                      std::to_string(task.client) + ")");
  } catch (const std::exception& error) {
    throw InternalError("round " + std::to_string(task.round) + ", client " +
                        std::to_string(task.client) + ": " + error.what());
  }
}

}  // namespace

RoundRunner::RoundRunner(const TrainingSetup& setup, const Aggregator& aggregator, WorkerPool& pool,
                         const std::vector<c10::Device>& devices)
    : setup_(setup), aggregator_(aggregator), pool_(pool), fold_(aggregator) {
  for (const c10::Device& device : devices)
    trainers_.push_back(std::make_unique<Trainer>(setup, device));
}

RoundResult RoundRunner::Run(const ServerState& state, std::vector<int64_t> cohort,
                             const std::function<void(const ClientTask&, const Update&)>& on_client,
                             const std::function<void(int64_t)>& on_progress) {
  std::sort(cohort.begin(), cohort.end(), [&](int64_t a, int64_t b) {
    const int64_t size_a = setup_.partition->size(a), size_b = setup_.partition->size(b);
    return size_a != size_b ? size_a > size_b : a < b;
  });
  const auto clients = static_cast<int64_t>(cohort.size());
  const int64_t parts = std::min(clients, kMaxParts);
  RoundResult result;
  result.clients.resize(cohort.size());
  fold_.Start(parts);
  std::atomic<int64_t> done{0};
  pool_.Run(parts, [&](int worker, int64_t part) {
    Trainer& trainer = *trainers_[static_cast<size_t>(worker)];
    auto sum = fold_.Take();
    const int64_t begin = PartBegin(clients, parts, part);
    const int64_t end = PartBegin(clients, parts, part + 1);
    for (int64_t i = begin; i < end; ++i) {
      ClientTask task = trainer.Prepare(state, cohort[static_cast<size_t>(i)]);
      try {
        const Update update = trainer.Train(task);
        if (on_client) on_client(task, update);
        aggregator_.Add(*sum, update);
      } catch (...) {
        RethrowForClient(task);
      }
      result.clients[static_cast<size_t>(i)] = {task.client, task.examples, task.examples_seen,
                                                task.steps, task.loss_sum};
    }
    fold_.Give(part, std::move(sum));
    on_progress(done += end - begin);
  });
  result.aggregate = fold_.Finish();
  return result;
}

}  // namespace flsim
