#include "models/backend.h"

#include "engine/core/error.h"
#include "engine/core/vector_ops.h"
#include "models/backends/backends.h"

namespace flsim {

Replica::Replica(const Network& network, c10::Device device)
    : parameters(Zeros(network.parameters.size(), device)),
      buffers(Zeros(network.buffers.size(), device)),
      gradient(Zeros(network.parameters.size(), device)) {}

at::Tensor Replica::Features(const at::Tensor& parameters, const Batch& batch) {
  throw InternalError("this backend does not give features");
}

std::vector<std::string> BackendNames() { return {"auto", "linear", "torch"}; }

std::string ResolveBackend(const std::string& name, const Network& network, bool needs_features) {
  const std::string linear_refuses =
      needs_features ? "can't give the strategy the features that it needs" : WhyNotLinear(network);
  if (name == "auto") return linear_refuses.empty() ? "linear" : "torch";
  if (name == "linear" && !linear_refuses.empty()) {
    throw ConfigError("runtime.backend: linear " + linear_refuses + "; use auto or torch");
  }
  if (name != "linear" && name != "torch") {
    throw ConfigError("runtime.backend: must be one of " + JoinNames(BackendNames()) + "; got \"" +
                      name + "\"");
  }
  return name;
}

std::unique_ptr<Replica> MakeReplica(const std::string& backend, const Network& network,
                                     c10::Device device) {
  if (backend == "linear") return MakeLinearReplica(network, device);
  FLSIM_CHECK(backend == "torch", backend);
  return MakeTorchReplica(network, device);
}

}  // namespace flsim
