// The two products behind a linear layer, for matrices too small or too flat for a library's
// matrix-matrix product to pay. Row-major; the same bits on every x86-64 machine.
#pragma once

#include <cstdint>

namespace flsim {

/// Z = X W' + b: x [n, f], w [k, f], b [k], z [n, k].
void DenseForward(const float* x, const float* w, const float* b, int64_t n, int64_t f, int64_t k,
                  float* z);

/// dW = D' X, db = column sums of D: x [n, f], d [n, k], dw [k, f], db [k].
void DenseBackward(const float* x, const float* d, int64_t n, int64_t f, int64_t k, float* dw,
                   float* db);

}  // namespace flsim
