#pragma once

namespace flsim {

/// Of the program, as `flsim --version` and summary.json show it.
constexpr const char* kVersion = "0.1.0";

}  // namespace flsim
