#include <algorithm>
#include <cmath>

#include "models/backends/backends.h"

namespace flsim {

DropoutRule::DropoutRule(double p) {
  constexpr int kRange = 1 << 16;
  const int below = std::min(static_cast<int>(std::lround(p * kRange)), kRange - 1);
  dropped = static_cast<uint16_t>(below);
  scale = static_cast<float>(kRange) / static_cast<float>(kRange - below);
}

}  // namespace flsim
