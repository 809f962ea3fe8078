// The options of local training.
#pragma once

#include <algorithm>
#include <optional>
#include <string>

#include "engine/core/options.h"
#include "strategies/schedule.h"

namespace flsim {

struct TrainingOptions {
  std::optional<int64_t> epochs, steps;
  int64_t batch_size = 32;
  bool shuffle = true;
  double lr = 0.01, momentum = 0, weight_decay = 0;
  std::string optimizer = "sgd";
  double lr_decay = 1, clip_norm = 0;
  Choice<Schedule> lr_schedule{"constant"};

  /// Examples of a local step of a client with so many examples, but for an epoch's last.
  int64_t BatchOf(int64_t examples) const {
    return batch_size == 0 ? examples : std::min(batch_size, examples);
  }
  /// Its steps per epoch.
  int64_t BatchesOf(int64_t examples) const {
    return (examples + BatchOf(examples) - 1) / BatchOf(examples);
  }
  /// Its steps per round.
  int64_t StepsOf(int64_t examples) const { return steps ? *steps : *epochs * BatchesOf(examples); }

  template <class V>
  void Visit(V& v) {
    v(epochs, "epochs", "Passes over a client's examples per round; 1 if steps is absent too.",
      Between(1, 1e9));
    v(steps, "steps",
      "Local steps per round, in place of epochs; a client with fewer batches starts over.",
      Between(1, 1e9));
    v(batch_size, "batch_size",
      "Examples per local step; 0 takes all of a client's. An epoch's last batch may be smaller.",
      AtLeast(0));
    v(shuffle, "shuffle",
      "Draws a new order of the examples for each epoch; else the partition's order.");
    v(lr, "lr", "Client learning rate.", GreaterThan(0));
    v(momentum, "momentum", "Momentum of sgd, from zero each round.", FromBelow(0, 1));
    v(weight_decay, "weight_decay", "L2 penalty: this times the parameters joins each gradient.",
      AtLeast(0));
    v(optimizer, "optimizer",
      "Local optimizer; its state starts fresh each round. adam: betas 0.9, 0.999, epsilon 1e-8.",
      OneOf({"sgd", "adam"}));
    v(lr_decay, "lr_decay", "The learning rate of round r is lr * lr_decay^(r - 1).", UpTo(0, 1));
    v(lr_schedule, "lr_schedule", "How the client learning rate changes from round to round.");
    v(clip_norm, "clip_norm",
      "Scales a gradient down to this norm if it is longer; 0 leaves gradients as they are.",
      AtLeast(0));
  }
  void Check(Problems& problems, const std::string& path) {
    if (epochs && steps)
      problems.Add(JoinPath(path, "steps"), "give either epochs or steps, not both");
    if (!epochs && !steps) epochs = 1;
    if (lr_decay != 1 && lr_schedule.name != "constant") {
      problems.Add(JoinPath(path, "lr_decay"),
                   "is a schedule of its own; leave it out beside lr_schedule");
    }
    if (optimizer == "adam" && momentum != 0) {
      problems.Add(JoinPath(path, "momentum"),
                   "applies to optimizer sgd only; leave it out with adam");
    }
  }
};

}  // namespace flsim
