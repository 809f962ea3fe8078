#include "engine/experiment/checkpoint.h"

#include "engine/core/error.h"
#include "engine/core/files.h"
#include "engine/core/safetensors.h"
#include "engine/core/vector_ops.h"

namespace flsim {
namespace {

constexpr const char* kFormat = "flsim-checkpoint-4";
constexpr const char* kStatePrefix = "state.";

bool IsMetrics(const Json& json) { return json.is_null() || json.is_object(); }

/// Of the bytes of all tensors and the record of the run.
std::string ContentHash(const SafetensorsFile& file, const std::string& run) {
  // By name: a file has its tensors in an order of its own.
  std::map<std::string, std::string> hashes;
  for (const auto& [name, tensor] : file.tensors) {
    hashes[name] = Sha256({static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes()});
  }
  std::string all = Sha256(run);
  for (const auto& [name, hash] : hashes) all += hash;
  return Sha256(all);
}

}  // namespace

void SaveCheckpoint(const std::string& path, const ServerState& state, ClientStore& store,
                    const RunProgress& progress, const InputHashes& inputs) {
  SafetensorsFile file;
  file.tensors.emplace_back("parameters", state.parameters);
  if (state.buffers.numel() > 0) file.tensors.emplace_back("buffers", state.buffers);
  for (const auto& [name, tensor] : state.tensors)
    file.tensors.emplace_back(kStatePrefix + name, tensor);
  store.Save(file);
  const Json run = {{"round", state.round},
                    {"wall_s", progress.wall_s},
                    {"train_wall_s", progress.train_wall_s},
                    {"examples", progress.examples},
                    {"bytes", progress.bytes},
                    {"skipped_rounds", progress.skipped_rounds},
                    {"final", progress.final_metrics},
                    {"best", progress.best_metrics},
                    {"diverged", progress.diverged},
                    {"stop_best", progress.stop.best ? Json(*progress.stop.best) : Json()},
                    {"stop_stale", progress.stop.stale},
                    {"stopped", progress.stop.reason}};
  file.metadata = {{"format", kFormat},
                   {"data", inputs.data},
                   {"cohorts", inputs.cohorts(state.round)},
                   {"content", ContentHash(file, run.dump())},
                   {"run", run.dump()}};
  WriteSafetensors(path, file);
  store.Saved();
}

Checkpoint LoadCheckpoint(const std::string& path, const Network& network, int64_t clients,
                          const InputHashes& inputs, ClientStore& store) {
  const SafetensorsFile file = ReadSafetensors(path);
  const auto refuse = [&](const std::string& why) {
    throw DataError(path + ": " + why + "; start over with --force");
  };
  const auto entry = [&](const char* key) {
    const auto found = file.metadata.find(key);
    return found == file.metadata.end() ? std::string() : found->second;
  };
  if (entry("format") != kFormat) refuse("is not a checkpoint of this version of flsim");
  if (entry("data") != inputs.data) refuse("was made with other data or another partition of them");
  if (entry("content") != ContentHash(file, entry("run")))
    refuse("is damaged: its bytes are not those that were written");
  Checkpoint checkpoint;
  const auto vector = [&](const std::string& name, int64_t size) {
    const at::Tensor* tensor = file.Find(name);
    if (tensor == nullptr || tensor->dim() != 1 || tensor->numel() != size ||
        tensor->scalar_type() != at::kFloat) {
      refuse("has no float32 vector '" + name + "' of " + std::to_string(size) + " elements");
    }
    return *tensor;
  };
  checkpoint.state.parameters = vector("parameters", network.parameters.size());
  checkpoint.state.buffers = network.buffers.size() > 0 ? vector("buffers", network.buffers.size())
                                                        : Zeros(0, c10::Device(c10::kCPU));
  checkpoint.state.clients = clients;
  store.Load(file, path, clients);
  const std::string prefix = kStatePrefix;
  for (const auto& [name, tensor] : file.tensors) {
    if (name.rfind(prefix, 0) == 0) checkpoint.state.tensors[name.substr(prefix.size())] = tensor;
  }
  try {
    const Json run = Json::parse(entry("run"));
    checkpoint.state.round = run.at("round").get<int64_t>();
    checkpoint.progress = {run.at("wall_s").get<double>(),
                           run.at("train_wall_s").get<double>(),
                           run.at("examples").get<int64_t>(),
                           run.at("bytes").get<int64_t>(),
                           run.at("skipped_rounds").get<int64_t>(),
                           run.at("final"),
                           run.at("best"),
                           run.at("diverged").get<std::string>(),
                           {}};
    StopState& stop = checkpoint.progress.stop;
    if (!run.at("stop_best").is_null()) stop.best = run.at("stop_best").get<double>();
    stop.stale = run.at("stop_stale").get<int64_t>();
    stop.reason = run.at("stopped").get<std::string>();
    if (entry("cohorts") != inputs.cohorts(checkpoint.state.round)) {
      refuse("was made when the file of sampler.path listed other cohorts for the rounds done");
    }
    if (!IsMetrics(checkpoint.progress.final_metrics) ||
        !IsMetrics(checkpoint.progress.best_metrics)) {
      refuse("has a damaged record of the run");
    }
  } catch (const Json::exception&) {
    refuse("has a damaged record of the run");
  }
  return checkpoint;
}

}  // namespace flsim
