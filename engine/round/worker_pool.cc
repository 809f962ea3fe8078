#include "engine/round/worker_pool.h"

#include <ATen/Parallel.h>

#include <string>
#include <system_error>

#include "engine/core/error.h"

namespace flsim {
WorkerPool::WorkerPool(int workers) {
  try {
    threads_.reserve(static_cast<size_t>(workers));
    for (int worker = 0; worker < workers; ++worker) {
      threads_.emplace_back([this, worker] { Work(worker); });
    }
  } catch (const std::system_error& error) {
    const std::string started = std::to_string(threads_.size());
    JoinAll();
    throw ConfigError("runtime.workers: only " + started + " of " + std::to_string(workers) +
                      " threads could be started (" + error.what() + "); ask for fewer");
  }
}

WorkerPool::~WorkerPool() { JoinAll(); }

void WorkerPool::JoinAll() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  start_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void WorkerPool::Run(int64_t items, const std::function<void(int, int64_t)>& task) {
  std::unique_lock<std::mutex> lock(mutex_);
  task_ = &task;
  items_ = items;
  next_ = 0;
  error_ = nullptr;
  busy_ = workers();
  ++generation_;
  start_.notify_all();
  finished_.wait(lock, [this] { return busy_ == 0; });
  task_ = nullptr;
  if (error_) std::rethrow_exception(error_);
}

void WorkerPool::Work(int worker) {
  at::set_num_threads(1);
  uint64_t seen = 0;
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    start_.wait(lock, [&] { return stopping_ || generation_ != seen; });
    if (stopping_) return;
    seen = generation_;
    while (next_ < items_ && !error_) {
      const int64_t item = next_++;
      lock.unlock();
      std::exception_ptr error;
      try {
        (*task_)(worker, item);
      } catch (...) {
        error = std::current_exception();
      }
      lock.lock();
      if (error && (!error_ || item < error_item_)) {
        error_ = error;
        error_item_ = item;
      }
    }
    if (--busy_ == 0) finished_.notify_one();
  }
}

}  // namespace flsim
