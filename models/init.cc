// Initial parameters: drawn, or taken from a file.
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "engine/core/error.h"
#include "engine/core/safetensors.h"
#include "engine/core/vector_ops.h"
#include "models/network.h"

namespace flsim {
namespace {

float* SlotData(const ParameterLayout& layout, int index, const at::Tensor& flat) {
  return flat.mutable_data_ptr<float>() + layout[index].offset;
}

void FillSlot(const ParameterLayout& layout, int index, const at::Tensor& flat, float value) {
  float* data = SlotData(layout, index, flat);
  std::fill(data, data + layout[index].size, value);
}

void Initialize(const Network& network, const std::vector<NetworkLayer>& layers, uint64_t seed,
                const at::Tensor& parameters, const at::Tensor& buffers) {
  for (const NetworkLayer& layer : layers) {
    const bool is_norm = std::holds_alternative<GroupNorm>(layer.spec) ||
                         std::holds_alternative<BatchNorm>(layer.spec);
    if (is_norm) {
      FillSlot(network.parameters, layer.weight, parameters, 1);
      FillSlot(network.parameters, layer.bias, parameters, 0);
    } else if (layer.weight >= 0) {
      const ParameterSlot& weight = network.parameters[layer.weight];
      const double fan_in = static_cast<double>(weight.size / weight.shape[0]);
      const double bound = 1 / std::sqrt(fan_in);
      for (const int index : {layer.weight, layer.bias}) {
        if (index < 0) continue;
        Rng rng(seed, {"init", static_cast<uint64_t>(index), 0});
        float* data = SlotData(network.parameters, index, parameters);
        for (int64_t i = 0; i < network.parameters[index].size; ++i) {
          data[i] = static_cast<float>((2.0 * rng.UniformFloat() - 1) * bound);
        }
      }
    }
    if (layer.running_mean >= 0) {
      FillSlot(network.buffers, layer.running_mean, buffers, 0);
      FillSlot(network.buffers, layer.running_var, buffers, 1);
    }
    Initialize(network, layer.body, seed, parameters, buffers);
    Initialize(network, layer.shortcut, seed, parameters, buffers);
  }
}

std::string Bracketed(at::IntArrayRef shape) {
  std::string text;
  for (const int64_t size : shape) text += (text.empty() ? "" : ", ") + std::to_string(size);
  return "[" + text + "]";
}

/// PyTorch's count of batches, which only matters where momentum is none.
bool IsIgnored(const std::string& name) {
  static const std::string kSuffix = "num_batches_tracked";
  return name.size() >= kSuffix.size() &&
         name.compare(name.size() - kSuffix.size(), kSuffix.size(), kSuffix) == 0;
}

/// Copies every slot of `layout` from the file; adds what is wrong to `problems`.
void Take(const ParameterLayout& layout, const SafetensorsFile& file, const at::Tensor& flat,
          std::string& problems) {
  for (int i = 0; i < static_cast<int>(layout.slots().size()); ++i) {
    const ParameterSlot& slot = layout[i];
    const at::Tensor* tensor = file.Find(slot.name);
    if (tensor == nullptr) {
      problems += "\n  " + slot.name + ": missing; expected " + Bracketed(slot.shape);
    } else if (tensor->scalar_type() != at::kFloat) {
      problems += "\n  " + slot.name + ": expected float32 numbers, got another type";
    } else if (tensor->sizes() != at::IntArrayRef(slot.shape)) {
      problems += "\n  " + slot.name + ": expected " + Bracketed(slot.shape) + ", got " +
                  Bracketed(tensor->sizes());
    } else {
      layout.View(flat, i).copy_(*tensor);
      const float* data = SlotData(layout, i, flat);
      if (!std::all_of(data, data + slot.size, [](float x) { return std::isfinite(x); })) {
        problems += "\n  " + slot.name + ": has NaN or infinity among its numbers";
      }
    }
  }
}

void Put(const ParameterLayout& layout, const at::Tensor& flat, SafetensorsFile& file) {
  if (layout.size() == 0) return;
  const at::Tensor on_cpu = flat.cpu();
  for (int i = 0; i < static_cast<int>(layout.slots().size()); ++i) {
    file.tensors.emplace_back(layout[i].name, layout.View(on_cpu, i));
  }
}

}  // namespace

void InitializeParameters(const Network& network, uint64_t seed, at::Tensor& parameters,
                          at::Tensor& buffers) {
  parameters = Zeros(network.parameters.size(), c10::kCPU);
  buffers = Zeros(network.buffers.size(), c10::kCPU);
  Initialize(network, network.layers, seed, parameters, buffers);
}

void LoadParameters(const Network& network, const std::string& path, at::Tensor& parameters,
                    at::Tensor& buffers) {
  const SafetensorsFile file = ReadSafetensors(path);
  parameters = Zeros(network.parameters.size(), c10::kCPU);
  buffers = Zeros(network.buffers.size(), c10::kCPU);
  std::string problems;
  Take(network.parameters, file, parameters, problems);
  Take(network.buffers, file, buffers, problems);
  std::set<std::string> known;
  for (const ParameterLayout* layout : {&network.parameters, &network.buffers}) {
    for (const ParameterSlot& slot : layout->slots()) known.insert(slot.name);
  }
  for (const auto& [name, tensor] : file.tensors) {
    if (known.count(name) == 0 && !IsIgnored(name)) {
      problems += "\n  " + name + ": the model has no such tensor";
    }
  }
  if (!problems.empty()) throw DataError(path + " does not fit the model" + problems);
}

void SaveParameters(const Network& network, const std::string& path, const at::Tensor& parameters,
                    const at::Tensor& buffers) {
  SafetensorsFile file;
  Put(network.parameters, parameters, file);
  Put(network.buffers, buffers, file);
  file.metadata["format"] = "pt";
  WriteSafetensors(path, file);
}

}  // namespace flsim
