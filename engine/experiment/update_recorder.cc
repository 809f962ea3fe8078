#include "engine/experiment/update_recorder.h"

#include <cstdio>
#include <filesystem>

#include "engine/core/files.h"

namespace flsim {
namespace {

std::string Numbered(const char* name, int64_t number) {
  char text[64];
  std::snprintf(text, sizeof text, "%s-%04lld", name, static_cast<long long>(number));
  return text;
}

}  // namespace

std::string UpdateRecorder::RoundFolder(int64_t round) const {
  return folder_ + "/" + Numbered("round", round);
}

void UpdateRecorder::Global(const ServerState& state) const {
  SaveParameters(network_, folder_ + "/" + Numbered("global", state.round) + ".safetensors",
                 state.parameters, state.buffers);
}

void UpdateRecorder::StartRound(int64_t round) const {
  std::error_code error;
  std::filesystem::remove_all(RoundFolder(round), error);
  std::filesystem::create_directories(RoundFolder(round), error);
  if (error) throw DataError("can't make " + RoundFolder(round) + ": " + error.message());
}

void UpdateRecorder::Client(const ClientTask& task, const Update& update) const {
  SaveParameters(network_,
                 RoundFolder(task.round) + "/" + Numbered("client", task.client) + ".safetensors",
                 task.parameters, update.buffers);
}

void UpdateRecorder::FinishRound(int64_t round, const std::vector<ClientResult>& clients) const {
  std::string csv = "client,num_examples,train_loss\n";
  for (const ClientResult& client : clients) {
    csv += std::to_string(client.client) + "," + std::to_string(client.examples) + "," +
           Json(client.loss_sum / static_cast<double>(client.examples_seen)).dump() + "\n";
  }
  WriteFileAtomically(RoundFolder(round) + "/clients.csv", csv);
}

}  // namespace flsim
