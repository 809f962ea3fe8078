// The instruction sets that the kernels are compiled for: AVX-512, AVX2 with FMA, and a portable
// path. Stands before every other header of Highway.
#pragma once

#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4)
// Highway keeps its portable path of 128-bit vectors from GCC 12.2 because of a fault with high
// halves of products (GCC bug 106322), which no kernel here uses.
#define HWY_BROKEN_EMU128 0

#include <hwy/targets.h>
