// Replay: the strategy's side of an experiment on updates that were recorded before.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "engine/experiment/recording.h"
#include "engine/experiment/run.h"

namespace flsim {

/// Takes the recorded models in place of local training, round by round, and writes a run's folder
/// (without checkpoint) with the global model of each round, global-0000.safetensors ... What the
/// server does with them, and what a strategy computes from a client's trained model, is as in a
/// run: a run's own config gives its own models to the bit. `experiment` is not loaded yet; where
/// the data can't be read and the strategy needs none, nothing is evaluated. `note` hears of what
/// the user should know. Ends early as a run does. Throws DataError, and ConfigError where the data
/// are not those of the recording.
RunResult Replay(Experiment& experiment, const Recording& recording, RunFolder& folder,
                 const std::vector<RecordSink*>& sinks, const std::atomic<bool>& stop,
                 const std::function<void(const std::string&)>& note);

}  // namespace flsim
