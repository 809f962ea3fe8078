// Text of numbers.
#pragma once

#include <string>

namespace flsim {

/// What printf writes, as a string of any length.
__attribute__((format(printf, 1, 2))) std::string Format(const char* format, ...);

}  // namespace flsim
