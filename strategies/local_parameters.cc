#include "strategies/local_parameters.h"

#include <algorithm>

#include "engine/core/vector_ops.h"

namespace flsim {
namespace {

bool IsCalled(const ParameterSlot& slot, const std::string& name) {
  return slot.name == name || slot.name.compare(0, name.size() + 1, name + ".") == 0;
}

/// Throws ConfigError if a name fits no tensor.
void CheckNames(const ParameterLayout& layout, const std::vector<std::string>& names) {
  std::vector<std::string> layers, unknown;
  for (const ParameterSlot& slot : layout.slots()) {
    if (layers.empty() || layers.back() != LayerId(slot)) layers.push_back(LayerId(slot));
  }
  for (const std::string& name : names) {
    const auto& slots = layout.slots();
    if (std::none_of(slots.begin(), slots.end(),
                     [&](const ParameterSlot& slot) { return IsCalled(slot, name); })) {
      unknown.push_back("'" + name + "'");
    }
  }
  if (unknown.empty()) return;
  throw ConfigError("strategy.local: the model has no layer or tensor " + JoinNames(unknown) +
                    "; layers with parameters: " + JoinNames(layers));
}

}  // namespace

std::string LayerId(const ParameterSlot& slot) { return slot.name.substr(0, slot.name.rfind('.')); }

LocalParameters::LocalParameters(const ParameterLayout& layout,
                                 const std::function<bool(const ParameterSlot&)>& is_local,
                                 const std::string& path)
    : local(layout.Ranges(is_local)), shared(layout.Complement(local)) {
  for (const ParameterRange& range : local) size += range.size;
  if (shared.empty()) {
    throw ConfigError(path +
                      ": all of the model's parameters would stay with the clients and none would "
                      "be shared; leave a layer out, or use a model of more layers");
  }
}

LocalParameters::LocalParameters(const ParameterLayout& layout, const LocalOptions& options)
    : LocalParameters(
          layout,
          [&](const ParameterSlot& slot) {
            if (options.local.empty()) return LayerId(slot) == LayerId(layout.slots().back());
            return std::any_of(options.local.begin(), options.local.end(),
                               [&](const std::string& name) { return IsCalled(slot, name); });
          },
          "strategy.local") {
  CheckNames(layout, options.local);
}

StrategyNeeds LocalParameters::Needs() const {
  StrategyNeeds needs;
  needs.personal = true;
  needs.parameters_kept = size;
  needs.scales_update = true;
  needs.plain_gradient = true;
  return needs;
}

void LocalParameters::Save(const at::Tensor& parameters, const at::Tensor& kept) const {
  int64_t at = 0;
  for (const ParameterRange& range : local) {
    Copy(kept.narrow(0, at, range.size), parameters.narrow(0, range.begin, range.size));
    at += range.size;
  }
}

void LocalParameters::Load(const at::Tensor& parameters, const at::Tensor& kept) const {
  int64_t at = 0;
  for (const ParameterRange& range : local) {
    Copy(parameters.narrow(0, range.begin, range.size), kept.narrow(0, at, range.size));
    at += range.size;
  }
}

void LocalParameters::Start(ClientTask& task) const {
  if (!task.first_time) Load(task.parameters, task.state[0]);
}

void LocalParameters::Finish(ClientTask& task, Update& update) const {
  Save(task.parameters, task.state[0]);
  for (const ParameterRange& range : local) {
    Fill(update.delta.narrow(0, range.begin, range.size), 0);
  }
  update.squared_norm = SquaredNorm(update.delta);
}

void LocalParameters::UpdateServer(ServerState& state, const at::Tensor& delta,
                                   const ServerOptimizer& optimizer) const {
  const at::Tensor unchanged = Uninitialized(size, state.parameters.device());
  Save(state.parameters, unchanged);
  optimizer.Step(state, delta);
  Load(state.parameters, unchanged);
}

}  // namespace flsim
