// A client whose loss is a quadratic, and small layouts of parameters: for closed-form answers.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/core/vector_ops.h"
#include "strategies/strategy.h"
#include "tests/values.h"

namespace flsim::quadratic {

inline const c10::Device kCpu(c10::kCPU);

/// F_k(w) = 1/2 ||w - c||^2; an epoch is one step of plain gradient descent.
class Quadratic : public LocalTraining {
 public:
  explicit Quadratic(std::vector<float> c) : c_(std::move(c)) {}

  void Run(ClientTask& task, const LocalRun& run) override {
    runs.push_back(run);
    const at::Tensor gradient = Zeros(task.parameters.numel(), kCpu);
    for (int64_t step = 0; step < run.epochs.value_or(1); ++step) {
      BatchGradient(task.parameters, gradient);
      if (run.correct) run.correct(gradient);
      float *w = task.parameters.mutable_data_ptr<float>(), *g = gradient.mutable_data_ptr<float>();
      for (int64_t i = 0; i < gradient.numel(); ++i) {
        if (IsTrained(run, i)) w[i] -= static_cast<float>(task.lr) * g[i];
      }
    }
    if (task.buffers.numel() > 0) task.buffers.mutable_data_ptr<float>()[0] += 1;
  }
  void BatchGradient(const at::Tensor& parameters, const at::Tensor& gradient) override {
    for (int64_t i = 0; i < gradient.numel(); ++i) {
      gradient.mutable_data_ptr<float>()[i] =
          parameters.const_data_ptr<float>()[i] - c_[static_cast<size_t>(i)];
    }
  }
  at::Tensor Features(const at::Tensor& parameters) override {
    return features.at(parameters.unsafeGetTensorImpl());
  }
  const at::Tensor& Scratch(int index) override {
    at::Tensor& scratch = scratch_[index];
    if (!scratch.defined()) scratch = Vector(std::vector<float>(c_.size(), NAN));
    return scratch;
  }
  double Loss(const ClientTask&, const at::Tensor&) override { throw InternalError("not here"); }
  double FullGradient(const ClientTask&, const at::Tensor&, const at::Tensor&) override {
    throw InternalError("not here");
  }

  std::vector<LocalRun> runs;
  std::map<c10::TensorImpl*, at::Tensor> features;  ///< of the models at these vectors

 private:
  static bool IsTrained(const LocalRun& run, int64_t i) {
    if (run.trained.empty()) return true;
    for (const ParameterRange& range : run.trained) {
      if (i >= range.begin && i < range.begin + range.size) return true;
    }
    return false;
  }
  std::vector<float> c_;
  std::map<int, at::Tensor> scratch_;
};

/// Three layers of one weight or two.
inline ParameterLayout ThreeLayers() {
  ParameterLayout layout;
  layout.Add("block.conv.weight", {2}, "conv");
  layout.Add("block.norm.weight", {1}, "batch_norm");
  layout.Add("block.norm.bias", {1}, "batch_norm");
  layout.Add("fc.weight", {1, 2}, "linear");
  layout.Add("fc.bias", {1}, "linear");
  return layout;
}

inline ParameterLayout NoNorms() {
  ParameterLayout layout;
  layout.Add("conv.weight", {2}, "conv");
  layout.Add("fc.weight", {1}, "linear");
  return layout;
}

/// `buffers`: running statistics of the model.
inline std::unique_ptr<Strategy> Make(const std::string& json, const ParameterLayout& layout,
                                      const TrainingOptions& training = {}, int64_t buffers = 0) {
  Problems problems;
  Choice<Strategy> choice;
  choice.Bind(Json::parse(json), "strategy", problems);
  problems.ThrowIfAny("test");
  return choice.Make({&layout, buffers, training});
}

/// A client of learning rate 0.1 that starts at the server's model.
struct Client {
  Client(const Strategy& strategy, LocalTraining& local, const std::vector<float>& w)
      : task((server.parameters = Vector(w), server), local) {
    task.parameters = Vector(w);
    task.buffers = Zeros(2, kCpu);
    task.round = 1;
    task.lr = 0.1;
    for (const int64_t size : strategy.ClientState()) task.state.push_back(Zeros(size, kCpu));
  }
  /// A round as the engine has it.
  Update Round(const Strategy& strategy) {
    Copy(task.parameters, server.parameters);
    strategy.Start(task);
    strategy.Train(task);
    Update update;
    update.delta = Zeros(task.parameters.numel(), kCpu);
    update.squared_norm = Subtract(update.delta, server.parameters, task.parameters);
    strategy.Finish(task, update);
    task.first_time = false;
    return update;
  }
  /// The model that the client is evaluated with.
  std::vector<float> Model(const Strategy& strategy) {
    Copy(task.parameters, server.parameters);
    strategy.Personalize(task);
    return Read(task.parameters);
  }

  ServerState server;
  ClientTask task;
};

}  // namespace flsim::quadratic
