// The machine that a run had.
#pragma once

#include "engine/core/json.h"

namespace flsim {

/// {"cpu": "Intel(R) Xeon(R) ...", "cores": 8 (that this process may use), "memory_bytes": ...,
/// "libtorch": "2.11.0"}.
Json MachineJson();

}  // namespace flsim
