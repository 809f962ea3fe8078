// What the server carries from round to round.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>

namespace flsim {

/// A checkpoint holds exactly this, but for `clients`, which the partition tells.
struct ServerState {
  int64_t round = 0;      ///< rounds done
  int64_t clients = 0;    ///< N, the population
  at::Tensor parameters;  ///< w, float32 [P]: the global model
  at::Tensor buffers;     ///< float32 [B]: state that is not trained (running statistics)
  std::map<std::string, at::Tensor>
      tensors;  ///< of strategies and server optimizers, by name: float32, 1-d
};

}  // namespace flsim
