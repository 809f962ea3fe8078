// A layer list compiled into fused blocks.
#pragma once

#include "models/backends/fused/blocks.h"

namespace flsim::fused {

/// Why no plan can be made of the network ("has no kernel for ..."), or "".
std::string WhyNoPlan(const Network& network);

class Plan {
 public:
  /// WhyNoPlan() must be "".
  explicit Plan(const Network& network);

  void Reserve(int64_t examples);

  /// Outputs of the network, [examples][stride()].
  void Forward(const Pass& pass);
  /// From the gradient of the outputs, which the caller puts to OutputGradient(), to that of all
  /// weights.
  void Backward(const Pass& pass);
  /// Before the first and after the last part of a batch.
  void Load(const Pass& pass);
  void Finish(const Pass& pass);

  float* Outputs() const { return vectors_.back()->At(0); }
  float* OutputGradient() const { return vectors_.back()->GradientAt(0); }
  int64_t stride() const { return vectors_.back()->stride(); }

  /// The parts of the flat vectors whose step Backward() takes where the pass has one.
  const std::vector<ParameterRange>& stepped() const { return stepped_; }

  /// One line a block.
  std::string Describe() const;

 private:
  void AddImages(const Network& network, size_t& i);
  void AddVectors(const Network& network, size_t i);
  Images* NewImages(const Shape& shape, int64_t border);
  Vectors* NewVectors(int64_t size);
  /// Input gradients are wanted from the second layer with weights on.
  InputGradient NextInputGradient();

  std::vector<std::unique_ptr<Images>> images_;
  std::vector<std::unique_ptr<Vectors>> vectors_;
  std::vector<std::unique_ptr<ImageBlock>> image_blocks_;
  std::vector<std::unique_ptr<VectorBlock>> vector_blocks_;
  size_t first_image_ = 0, first_vector_ = 0;  ///< blocks before them have nothing to learn
  bool learning_ = false;                      ///< a block with weights was added
  std::vector<ParameterRange> stepped_;
};

}  // namespace flsim::fused
