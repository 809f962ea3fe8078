// A data set: what a model needs to know of it before any data are read, and batches of its
// examples.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/core/registry.h"
#include "engine/core/rng.h"

namespace flsim {

enum class Task { kClassification, kRegression };
enum class Split { kTrain, kTest };

/// What is known from the options alone.
struct DatasetFacts {
  Task task = Task::kRegression;
  std::vector<int64_t>
      input_shape;              ///< of one example: {3, 32, 32} (channels, height, width), {10}
  int64_t outputs = 1;          ///< classes, or 1 for regression
  int64_t train_examples = -1;  ///< -1: known only once the data are loaded
  int64_t test_examples = -1;
};

/// Examples as a model sees them. Owns its memory and keeps it from batch to batch.
class Batch {
 public:
  explicit Batch(c10::Device device) : device_(device) {}

  /// Makes room for `size` examples; what was there is lost.
  void Resize(const DatasetFacts& facts, int64_t size);

  int64_t size() const { return size_; }
  c10::Device device() const { return device_; }
  /// float32 [size, input_shape...]
  const at::Tensor& inputs() const { return inputs_; }
  /// int64 [size] for classification, float32 [size] for regression.
  const at::Tensor& targets() const { return targets_; }
  float* input_data() const { return input_data_; }
  int64_t* labels() const { return labels_; }              ///< null for regression
  float* target_values() const { return target_values_; }  ///< null for classification

 private:
  c10::Device device_;
  int64_t size_ = 0, capacity_ = 0;
  at::Tensor all_inputs_, all_targets_, inputs_, targets_;
  float* input_data_ = nullptr;
  int64_t* labels_ = nullptr;
  float* target_values_ = nullptr;
};

/// The true model behind synthetic data: y = coefficients . x + bias.
struct LinearTruth {
  std::vector<double> coefficients;
  double bias = 0;
};

/// Thread-safe once loaded; one copy serves all workers.
class Dataset {
 public:
  static constexpr const char* kKind = "dataset";
  struct Context {
    uint64_t seed = 1;
  };
  virtual ~Dataset() = default;

  /// Task, shapes and, where the options tell, sizes; complete after Load().
  virtual const DatasetFacts& facts() const = 0;

  /// Reads or generates the examples, using up to `threads` threads. Throws DataError. Called once.
  virtual void Load(int threads) = 0;

  /// Fills `batch` with the examples at indices[0..n) of the split. `augment`: draws for random
  /// crops and flips; null leaves the examples as they are (evaluation). Every index is in range.
  virtual void Gather(Split split, const int64_t* indices, int64_t n, Rng* augment,
                      Batch& batch) const = 0;

  /// Class of each training example (classification). Empty for regression.
  virtual std::vector<int32_t> TrainLabels() const { return {}; }
  /// Target of each training example (regression). Empty for classification.
  virtual std::vector<float> TrainTargets() const { return {}; }
  /// Names of the classes; may be empty.
  virtual std::vector<std::string> ClassNames() const { return {}; }
  /// Whether the data depend on the experiment's seed; else on the options alone.
  virtual bool UsesSeed() const { return false; }

  /// SHA-256 (hexadecimal) of the examples or of all that generates them: equal hash, equal data.
  virtual std::string Hash() const = 0;

  /// The true model, where there is one.
  virtual const LinearTruth* truth() const { return nullptr; }

  /// Starts to bring the training examples at indices[0..n) into the caches, for a Gather() soon to
  /// come. Changes nothing else.
  virtual void Prefetch(const int64_t* indices, int64_t n) const {}
};

}  // namespace flsim
