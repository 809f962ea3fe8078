// Threads that share a list of work items.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace flsim {

/// A fixed number of threads, alive as long as the pool. Each runs LibTorch's operators on itself
/// alone.
class WorkerPool {
 public:
  /// Throws ConfigError if the machine can't start so many threads.
  explicit WorkerPool(int workers);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  int workers() const { return static_cast<int>(threads_.size()); }

  /// Calls task(worker, item) once for each item of 0 .. items - 1, handed out in increasing order,
  /// and returns when all are done. When a task throws, no further items are started and the
  /// exception of the lowest item that failed is rethrown here: the same one for any number of
  /// workers.
  void Run(int64_t items, const std::function<void(int worker, int64_t item)>& task);

 private:
  void Work(int worker);
  void JoinAll();

  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::condition_variable start_, finished_;
  const std::function<void(int, int64_t)>* task_ = nullptr;
  int64_t items_ = 0, next_ = 0;
  int busy_ = 0;
  uint64_t generation_ = 0;
  bool stopping_ = false;
  std::exception_ptr error_;
  int64_t error_item_ = 0;
};

}  // namespace flsim
