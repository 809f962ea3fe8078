#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <system_error>
#include <thread>
#include <vector>

namespace flsim {

/// Calls work(i) for every i in [0, n) on up to `threads` threads, the caller's among them. If
/// calls throw, the exception of the smallest i is rethrown once all are done.
template <class Work>
void ParallelFor(int threads, int64_t n, const Work& work) {
  std::vector<std::exception_ptr> errors(static_cast<size_t>(n));
  std::atomic<int64_t> next{0};
  const auto run = [&] {
    for (int64_t i = next++; i < n; i = next++) {
      try {
        work(i);
      } catch (...) {
        errors[static_cast<size_t>(i)] = std::current_exception();
      }
    }
  };
  const int64_t wanted = std::max<int64_t>(1, std::min<int64_t>(threads, n));
  std::vector<std::thread> others;
  others.reserve(static_cast<size_t>(wanted - 1));  // so that only a thread's start can fail below
  try {
    for (int64_t t = 1; t < wanted; ++t) others.emplace_back(run);
  } catch (const std::system_error&) {
    // No more threads to be had: those that started share the work.
  }
  run();
  for (std::thread& thread : others) thread.join();
  for (const std::exception_ptr& error : errors) {
    if (error) std::rethrow_exception(error);
  }
}

}  // namespace flsim
