// The errors of flsim, one class per exit code. The library throws; only engine/cli prints and
// exits.
#pragma once

#include <cstdint>
#include <sstream>
#include <stdexcept>
#include <string>

namespace flsim {

/// The user's config or flags are wrong (exit code 2). what() may have several lines.
struct ConfigError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A data file, checkpoint or output file can't be used (exit code 3). what() names the file and
/// the remedy.
struct DataError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Training produced NaN or Inf (exit code 4). what() names round and client.
struct DivergedError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The user asked to stop (exit code 130).
struct InterruptedError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A bug in flsim (exit code 70).
struct InternalError : std::logic_error {
  using std::logic_error::logic_error;
};

namespace internal {
template <class... Values>
[[noreturn]] void FailCheck(const char* condition, const char* file, int line,
                            const Values&... values) {
  std::ostringstream text;
  text << file << ":" << line << ": check failed: " << condition;
  ((text << " " << values), ...);
  throw InternalError(text.str());
}
}  // namespace internal

/// Throws InternalError with the values that explain it when an assumption of our own does not
/// hold.
#define FLSIM_CHECK(condition, ...)                                                                \
  do {                                                                                             \
    if (!(condition)) ::flsim::internal::FailCheck(#condition, __FILE__, __LINE__, ##__VA_ARGS__); \
  } while (false)

}  // namespace flsim
