#include "models/backend.h"

#include <algorithm>

#include "engine/core/error.h"
#include "engine/core/vector_ops.h"
#include "models/backends/backends.h"

namespace flsim {

Replica::Replica(const Network& network, c10::Device device)
    : parameters(Zeros(network.parameters.size(), device)),
      buffers(Zeros(network.buffers.size(), device)),
      gradient(Zeros(network.parameters.size(), device)) {}

double Replica::Step(const Batch& batch, Rng& rng, const SgdStep& step,
                     const at::Tensor& velocity) {
  const double loss = Gradient(batch, rng);
  Apply(step, parameters, gradient, velocity);
  return loss;
}

at::Tensor Replica::Features(const at::Tensor&, const Batch&) {
  throw InternalError("this backend does not give features");
}

namespace {

/// Why a backend that has no graph can't run the network, or "".
std::string WhyNot(const std::string& backend, const Network& network, bool needs_features) {
  if (needs_features) return "can't give the strategy the features that it needs";
  return backend == "linear" ? WhyNotLinear(network) : WhyNotFused(network);
}

}  // namespace

std::vector<std::string> BackendNames() { return {"auto", "fused", "linear", "torch"}; }

std::string ResolveBackend(const std::string& name, const Network& network, bool needs_features) {
  if (name == "auto") {
    for (const char* fast : {"linear", "fused"}) {
      if (WhyNot(fast, network, needs_features).empty()) return fast;
    }
    return "torch";
  }
  const std::vector<std::string> names = BackendNames();
  if (std::find(names.begin(), names.end(), name) == names.end()) {
    throw ConfigError("runtime.backend: must be one of " + JoinNames(names) + "; got \"" + name +
                      "\"");
  }
  if (name == "torch") return name;
  const std::string reason = WhyNot(name, network, needs_features);
  if (!reason.empty()) {
    throw ConfigError("runtime.backend: " + name + " " + reason + "; use auto or torch");
  }
  return name;
}

std::string DescribeBackend(const std::string& backend, const Network& network) {
  if (backend == "fused") return DescribeFusedPlan(network);
  if (backend == "linear") return "linear backend: closed-form gradient of one linear layer\n";
  const std::string reason = WhyNotFused(network);
  return "torch backend: LibTorch's operations and autograd" +
         (reason.empty() ? "" : "; fused " + reason) + "\n";
}

std::unique_ptr<Replica> MakeReplica(const std::string& backend, const Network& network,
                                     c10::Device device) {
  if (backend == "linear") return MakeLinearReplica(network, device);
  if (backend == "fused") return MakeFusedReplica(network, device);
  FLSIM_CHECK(backend == "torch", backend);
  return MakeTorchReplica(network, device);
}

}  // namespace flsim
