// Recorded updates: every client's model of every round, for `flsim replay` and for other tools.
#pragma once

#include <string>
#include <vector>

#include "engine/round/round_runner.h"

namespace flsim {

/// The files of a folder of recorded updates.
std::string GlobalFile(const std::string& folder, int64_t round);
std::string RoundFolder(const std::string& folder, int64_t round);
std::string ClientFile(const std::string& folder, int64_t round, int64_t client);

/// Writes FOLDER/global-0000.safetensors (the initial model), FOLDER/global-0001.safetensors ...
/// (the model after each round), FOLDER/round-0001/client-0007.safetensors and
/// FOLDER/round-0001/clients.csv (client,num_examples,train_loss, in the order of the fold), with
/// the clients' local steps beside it in steps.csv.
class UpdateRecorder {
 public:
  UpdateRecorder(std::string folder, const Network& network)
      : folder_(std::move(folder)), network_(network) {}

  void Global(const ServerState& state) const;
  /// Makes the round's folder; before its clients.
  void StartRound(int64_t round) const;
  /// Thread-safe.
  void Client(const ClientTask& task, const Update& update) const;
  void FinishRound(int64_t round, const std::vector<ClientReport>& clients) const;

 private:
  std::string folder_;
  const Network& network_;
};

}  // namespace flsim
