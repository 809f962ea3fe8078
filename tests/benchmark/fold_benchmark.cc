// Prints how fast the passes over a model run that a round makes for each client and the server for
// each round, beside what the memory gives in the same run. One thread; pin it to a core.
//   fold_benchmark [megabytes of a vector]...   (by default 0.25, which stays in a core's cache,
//   and 64, which does not)
// A pass's bytes are those of the vectors it reads and writes, and of the lines that a store to a
// vector not read before makes the core fetch. The bar is 80% of the better of two plain loops:
//   read   sum += x[i]            triad  y[i] = u[i] + a * v[i]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/core/registry.h"
#include "engine/core/vector_ops.h"
#include "strategies/server_optimizer.h"

namespace flsim {
namespace {

constexpr int kRepeats = 15;
constexpr double kBytesPerRepeat = 256e6;

struct Pass {
  std::string name;
  double streams;  ///< vectors read and written, and lines fetched for a store
  std::function<void()> run;
};

/// The best of some repeats, in GB/s.
double Speed(const Pass& pass, int64_t n) {
  const double bytes = pass.streams * static_cast<double>(n) * sizeof(float);
  const int times = std::max(1, static_cast<int>(kBytesPerRepeat / bytes));
  double best_s = 1e9;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < times; ++i) pass.run();
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
    best_s = std::min(best_s, time.count() / times);
  }
  return bytes / best_s / 1e9;
}

__attribute__((target_clones("default", "avx2", "avx512f"))) float Read(const float* x, int64_t n) {
  float lanes[64] = {};
  for (int64_t i = 0; i + 64 <= n; i += 64) {
    for (int64_t j = 0; j < 64; ++j) lanes[j] += x[i + j];
  }
  float sum = 0;
  for (const float lane : lanes) sum += lane;
  return sum;
}

__attribute__((target_clones("default", "avx2", "avx512f"))) void Triad(float* y, const float* u,
                                                                        const float* v, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) y[i] = u[i] + 0.5f * v[i];
}

at::Tensor Vector(int64_t n, float value) {
  at::Tensor vector = Uninitialized(n, c10::kCPU);
  Fill(vector, value);
  return vector;
}

void Measure(double megabytes) {
  const auto n = static_cast<int64_t>(megabytes * 1e6 / sizeof(float));
  const at::Tensor x = Vector(n, 0.25f), u = Vector(n, 0.5f), y = Vector(n, 0);
  volatile double sink = 0;
  const Pass read = {"read (plain)", 1, [&] { sink = Read(x.const_data_ptr<float>(), n); }};
  const Pass triad = {"triad (plain)", 4, [&] {
                        Triad(y.mutable_data_ptr<float>(), x.const_data_ptr<float>(),
                              u.const_data_ptr<float>(), n);
                      }};
  std::vector<Pass> passes = {
      {"copy of the model to a client", 3, [&] { Copy(y, x); }},
      {"update and its norm", 4, [&] { sink = Subtract(y, u, x); }},
      {"fold of an update", 3, [&] { AddScaled(y, 1e-3, x); }},
      {"squared norm", 1, [&] { sink = SquaredNorm(x); }},
      {"mean of the fold", 2, [&] { Scale(y, 0.999); }},
  };
  std::vector<std::unique_ptr<ServerOptimizer>> optimizers;
  std::vector<std::unique_ptr<ServerState>> states;
  for (const auto& [name, streams] : {std::pair<const char*, double>{"sgd", 3},
                                      {"adagrad", 7},
                                      {"adam", 7},
                                      {"adamw", 7},
                                      {"yogi", 7}}) {
    Choice<ServerOptimizer> choice;
    Problems problems;
    choice.Bind(Json(name), "server_optimizer", problems);
    optimizers.push_back(choice.Make({}));
    states.push_back(std::make_unique<ServerState>());
    states.back()->parameters = Vector(n, 0);
    const ServerOptimizer& optimizer = *optimizers.back();
    ServerState& state = *states.back();
    passes.push_back({std::string("server optimizer ") + name, streams,
                      [&optimizer, &state, &x] { optimizer.Step(state, x); }});
  }
  std::printf("vectors of %g MB\n", megabytes);
  const double memory = std::max(Speed(read, n), Speed(triad, n));
  for (const Pass* plain : {&read, &triad}) {
    std::printf("  %-32s %7.1f GB/s\n", plain->name.c_str(), Speed(*plain, n));
  }
  for (const Pass& pass : passes) {
    const double speed = Speed(pass, n);
    std::printf("  %-32s %7.1f GB/s %4.0f%%\n", pass.name.c_str(), speed, 100 * speed / memory);
  }
}

}  // namespace
}  // namespace flsim

int main(int argc, char** argv) {
  std::vector<double> sizes;
  for (int i = 1; i < argc; ++i) sizes.push_back(std::atof(argv[i]));
  if (sizes.empty()) sizes = {0.25, 64};
  for (const double megabytes : sizes) flsim::Measure(megabytes);
}
