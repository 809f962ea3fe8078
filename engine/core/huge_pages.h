#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace flsim {

/// Asks the system to back the whole large pages inside a piece of memory that is not yet in use by
/// such, where it can. Smaller pieces are left alone: each call splits what the system has mapped,
/// and it allows only so many mappings.
inline void AdviseHugePages(void* begin, size_t bytes) {
  constexpr uintptr_t kPage = uintptr_t{1} << 21;
  const uintptr_t first = (reinterpret_cast<uintptr_t>(begin) + kPage - 1) / kPage * kPage;
  const uintptr_t last = (reinterpret_cast<uintptr_t>(begin) + bytes) / kPage * kPage;
  if (first < last) madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
}

/// As reserve(n), for an empty vector whose elements will be visited in no order.
template <class T>
void ReserveHugePages(std::vector<T>& vector, size_t n) {
  vector.reserve(n);
  AdviseHugePages(vector.data(), n * sizeof(T));
}

}  // namespace flsim
