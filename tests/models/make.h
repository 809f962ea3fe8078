// Networks, batches and parameters for the tests of models.
#pragma once

#include <cmath>
#include <string>

#include "engine/core/vector_ops.h"
#include "models/backend.h"
#include "models/model.h"

namespace flsim {

inline DatasetFacts Images(int64_t side, int64_t classes = 10, int64_t channels = 3) {
  DatasetFacts facts;
  facts.task = Task::kClassification;
  facts.input_shape = {channels, side, side};
  facts.outputs = classes;
  return facts;
}

inline DatasetFacts Features(int64_t features, int64_t classes) {
  DatasetFacts facts;
  facts.task = Task::kClassification;
  facts.input_shape = {features};
  facts.outputs = classes;
  return facts;
}

inline DatasetFacts Regression(int64_t features) {
  DatasetFacts facts;
  facts.input_shape = {features};
  return facts;
}

/// Binds and builds a model as the config would: R"("lenet")", R"({"name": "mlp", "hidden": [3]})".
inline Network Build(const std::string& model, const DatasetFacts& facts) {
  Problems problems;
  Choice<Model> choice;
  choice.Bind(Json::parse(model), "model", problems);
  problems.ThrowIfAny("test");
  return BuildNetwork(choice.Make({facts})->Layers(), facts, "model.layers");
}

/// A sequential model of these layers.
inline Network BuildLayers(const std::string& layers, const DatasetFacts& facts) {
  return Build(R"({"name": "sequential", "layers": )" + layers + "}", facts);
}

inline std::unique_ptr<Replica> MakeReplica(const std::string& backend, const Network& network) {
  return MakeReplica(backend, network, c10::Device(c10::kCPU));
}

/// A replica with the initial parameters of that seed.
inline std::unique_ptr<Replica> MakeInitialized(const std::string& backend, const Network& network,
                                                uint64_t seed = 1) {
  auto replica = MakeReplica(backend, network);
  at::Tensor parameters, buffers;
  InitializeParameters(network, seed, parameters, buffers);
  Copy(replica->parameters, parameters);
  Copy(replica->buffers, buffers);
  return replica;
}

/// Standard normal inputs and targets, uniform labels.
inline Batch RandomBatch(const DatasetFacts& facts, int64_t n, uint64_t stream = 0) {
  Rng rng(7, {"batch", stream});
  Batch batch(c10::kCPU);
  batch.Resize(facts, n);
  for (int64_t i = 0; i < batch.inputs().numel(); ++i) {
    batch.input_data()[i] = static_cast<float>(rng.Normal());
  }
  for (int64_t i = 0; i < n; ++i) {
    if (facts.task == Task::kClassification) {
      batch.labels()[i] = static_cast<int64_t>(rng.Below(static_cast<uint64_t>(facts.outputs)));
    } else {
      batch.target_values()[i] = static_cast<float>(rng.Normal());
    }
  }
  return batch;
}

inline Rng TestRng(uint64_t round = 0) { return Rng(3, {"dropout", round}); }

/// Uniform in [-0.5, 0.5), by position: the hash that tests/reference/models.py uses too.
inline double Noise(uint64_t i) {
  uint64_t x = i + 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  x = x ^ (x >> 31);
  return static_cast<double>(x >> 11) * 0x1p-53 - 0.5;
}

inline std::vector<float> Read(const at::Tensor& tensor) {
  const float* data = tensor.const_data_ptr<float>();
  return {data, data + tensor.numel()};
}

inline double Norm(const at::Tensor& x) { return std::sqrt(SquaredNorm(x)); }

}  // namespace flsim
