#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

namespace flsim {

/// Asks the system to back memory that is not yet in use by large pages, where it can.
inline void AdviseHugePages(void* begin, size_t bytes) {
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t first = (reinterpret_cast<uintptr_t>(begin) + page - 1) / page * page;
  const uintptr_t last = (reinterpret_cast<uintptr_t>(begin) + bytes) / page * page;
  if (first < last) madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
}

}  // namespace flsim
