// Threads that share a list of work items.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace flsim {

/// A fixed number of workers: the thread that makes the pool, and threads that live as long as the
/// pool. From then on each of them runs LibTorch's operators on itself alone.
class WorkerPool {
 public:
  using Task = std::function<void(int worker, int64_t item)>;

  /// At least one worker. Throws ConfigError if the machine can't start so many threads.
  explicit WorkerPool(int workers);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  int workers() const { return static_cast<int>(threads_.size()) + 1; }

  /// Calls task(worker, item) once for each item of 0 .. items - 1, handed out in increasing order,
  /// and returns when all are done. The caller is worker 0. When a task throws, no further items
  /// are started and the exception of the lowest item that failed is rethrown here: the same one
  /// for any number of workers. To be called by the thread that made the pool, not by a task.
  void Run(int64_t items, const Task& task);

 private:
  /// A thread's life: takes part in one list after the other.
  void Work(int worker);
  /// Takes items off the list until none is left.
  void TakeItems(int worker, const Task& task);
  void JoinAll();

  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::condition_variable start_, finished_;
  const Task* task_ = nullptr;  ///< null: no list to take part in
  int64_t items_ = 0;
  std::atomic<int64_t> next_{0};  ///< the first item not handed out
  std::atomic<int> helpers_{0};   ///< threads that take part
  std::atomic<uint64_t> lists_{0};
  std::atomic<bool> failed_{false}, stopping_{false};
  std::exception_ptr error_;
  int64_t error_item_ = 0;
};

}  // namespace flsim
