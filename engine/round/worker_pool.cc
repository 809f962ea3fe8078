#include "engine/round/worker_pool.h"

#include <ATen/Parallel.h>

#include <string>
#include <system_error>

#include "engine/core/error.h"

namespace flsim {
namespace {

/// How often a thread looks for a change before it goes to sleep: 10 to 20 us. To be woken takes
/// longer than a whole round of the smallest models.
constexpr int kLooks = 500;

template <class Condition>
void SpinUntil(const Condition& condition) {
  for (int look = 0; look < kLooks && !condition(); ++look) __builtin_ia32_pause();
}

}  // namespace

WorkerPool::WorkerPool(int workers) {
  FLSIM_CHECK(workers >= 1, workers);
  at::set_num_threads(1);
  try {
    threads_.reserve(static_cast<size_t>(workers) - 1);
    for (int worker = 1; worker < workers; ++worker) {
      threads_.emplace_back([this, worker] { Work(worker); });
    }
  } catch (const std::system_error& error) {
    const std::string started = std::to_string(this->workers());
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

void WorkerPool::Run(int64_t items, const Task& task) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    task_ = &task;
    items_ = items;
    next_ = 0;
    failed_ = false;
    error_ = nullptr;
    ++lists_;
  }
  if (items > 1) start_.notify_all();
  TakeItems(0, task);
  SpinUntil([this] { return helpers_ == 0; });
  std::unique_lock<std::mutex> lock(mutex_);
  task_ = nullptr;  // who wakes up late is too late
  finished_.wait(lock, [this] { return helpers_ == 0; });
  if (error_) std::rethrow_exception(error_);
}

void WorkerPool::TakeItems(int worker, const Task& task) {
  while (!failed_) {
    const int64_t item = next_++;
    if (item >= items_) return;
    try {
      task(worker, item);
    } catch (...) {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (!error_ || item < error_item_) {
        error_ = std::current_exception();
        error_item_ = item;
      }
      failed_ = true;
    }
  }
}

void WorkerPool::Work(int worker) {
  at::set_num_threads(1);
  uint64_t seen = 0;
  const auto news = [&] { return stopping_ || lists_ != seen; };
  for (;;) {
    SpinUntil(news);
    std::unique_lock<std::mutex> lock(mutex_);
    start_.wait(lock, news);
    if (stopping_) return;
    seen = lists_;
    if (task_ == nullptr) continue;
    const Task& task = *task_;  // lives until the last helper has gone
    ++helpers_;
    lock.unlock();
    TakeItems(worker, task);
    lock.lock();
    if (--helpers_ == 0) finished_.notify_one();
  }
}

}  // namespace flsim
