#pragma once

#include <string>

namespace flsim {

/// Counts the running test case as skipped and prints why; the test returns after it.
void Skip(const std::string& reason);

}  // namespace flsim
