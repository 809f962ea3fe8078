#include "engine/experiment/update_recorder.h"

#include <filesystem>

#include "engine/core/files.h"
#include "engine/core/text.h"

namespace flsim {
namespace {

std::string Numbered(const char* name, int64_t number) {
  return Format("%s-%04lld", name, static_cast<long long>(number));
}

}  // namespace

std::string GlobalFile(const std::string& folder, int64_t round) {
  return folder + "/" + Numbered("global", round) + ".safetensors";
}

std::string RoundFolder(const std::string& folder, int64_t round) {
  return folder + "/" + Numbered("round", round);
}

std::string ClientFile(const std::string& folder, int64_t round, int64_t client) {
  return RoundFolder(folder, round) + "/" + Numbered("client", client) + ".safetensors";
}

void UpdateRecorder::Global(const ServerState& state) const {
  SaveParameters(network_, GlobalFile(folder_, state.round), state.parameters, state.buffers);
}

void UpdateRecorder::StartRound(int64_t round) const {
  const std::string folder = RoundFolder(folder_, round);
  std::error_code error;
  std::filesystem::remove_all(folder, error);
  std::filesystem::create_directories(folder, error);
  if (error) throw DataError("can't make " + folder + ": " + error.message());
}

void UpdateRecorder::Client(const ClientTask& task, const Update& update) const {
  SaveParameters(network_, ClientFile(folder_, task.round, task.client), task.parameters,
                 update.buffers);
}

void UpdateRecorder::FinishRound(int64_t round, const std::vector<ClientReport>& clients) const {
  std::string csv = "client,num_examples,train_loss\n";
  std::string steps = "client,num_examples,steps\n";
  for (const ClientReport& client : clients) {
    const std::string who = std::to_string(client.client) + "," + std::to_string(client.examples);
    const double loss = client.loss_sum / static_cast<double>(client.examples_seen);
    csv += who + "," + Json(loss).dump() + "\n";
    steps += who + "," + std::to_string(client.steps) + "\n";
  }
  WriteFileAtomically(RoundFolder(folder_, round) + "/steps.csv", steps);
  WriteFileAtomically(RoundFolder(folder_, round) + "/clients.csv", csv);
}

}  // namespace flsim
