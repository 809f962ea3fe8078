#pragma once

#include <cstdint>

#include "engine/core/rng.h"

namespace flsim {

/// Fills out[0..n) with independent standard normal draws, about ten times as fast as Rng::Normal.
/// Single precision, |draw| at most 6.7. The bits are the same on every x86-64 machine.
void FillNormal(Rng& rng, float* out, int64_t n);

}  // namespace flsim
