#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace flsim {

/// Asks the system to back memory that is not yet in use by large pages, where it can.
inline void AdviseHugePages(void* begin, size_t bytes) {
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t first = (reinterpret_cast<uintptr_t>(begin) + page - 1) / page * page;
  const uintptr_t last = (reinterpret_cast<uintptr_t>(begin) + bytes) / page * page;
  if (first < last) madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
}

/// As reserve(n), for an empty vector whose elements will be visited in no order.
template <class T>
void ReserveHugePages(std::vector<T>& vector, size_t n) {
  vector.reserve(n);
  AdviseHugePages(vector.data(), n * sizeof(T));
}

}  // namespace flsim
