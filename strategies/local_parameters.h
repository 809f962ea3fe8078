// Personalised models that share a part of their parameters: which part stays with the client, and
// how it gets from one of the client's rounds to the next.
#pragma once

#include <string>
#include <vector>

#include "strategies/strategy.h"

namespace flsim {

/// The id of the layer that a tensor belongs to: "fc3" of "fc3.weight".
std::string LayerId(const ParameterSlot& slot);

/// Options of strategies whose local part is chosen by name.
struct LocalOptions {
  std::vector<std::string> local;
  template <class V>
  void Visit(V& v) {
    v(local, "local",
      "What stays with each client: ids of layers (fc3), their beginnings up to a dot (layer4), or "
      "names of tensors (conv1.weight). If empty, the last layer that has parameters.");
  }
};

/// The local part of the flat vector and the rest.
struct LocalParameters {
  std::vector<ParameterRange> local, shared;
  int64_t size = 0;  ///< of the local part, in elements

  LocalParameters() = default;
  /// Tensors that `is_local` holds for. Throws ConfigError, "PATH: ...", if that is all of them.
  LocalParameters(const ParameterLayout& layout,
                  const std::function<bool(const ParameterSlot&)>& is_local,
                  const std::string& path);
  /// As the options say. Throws ConfigError naming strategy.local, with every unknown name.
  LocalParameters(const ParameterLayout& layout, const LocalOptions& options);

  /// Of a strategy whose clients keep the local part: their models differ, and are sent without it.
  StrategyNeeds Needs() const;

  /// The local part of `parameters` [P] goes to `kept` [size].
  void Save(const at::Tensor& parameters, const at::Tensor& kept) const;
  /// The local part of `parameters` [P] becomes `kept` [size].
  void Load(const at::Tensor& parameters, const at::Tensor& kept) const;

  /// Strategy::Start and Strategy::Personalize: the client's own part, in task.state[0], takes the
  /// place of the server's. A client's first time it stays the server's, which is the initial one.
  void Start(ClientTask& task) const;
  /// Strategy::Finish: keeps the client's own part and takes it out of the update.
  void Finish(ClientTask& task, Update& update) const;
  /// Strategy::UpdateServer: the server optimizer's step on the shared part. The server's local
  /// part stays as it is to the bit, whatever an aggregator or a weight decay makes of zeros.
  void UpdateServer(ServerState& state, const at::Tensor& delta,
                    const ServerOptimizer& optimizer) const;
};

}  // namespace flsim
