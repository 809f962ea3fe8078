// Memory of the fused backend.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

#include "engine/core/huge_pages.h"
#include "models/backends/fused/kernels.h"

namespace flsim::fused {

/// Values that start on a cache line, zero at first, with kSlack zeros behind. Like a pointer, a
/// const one still gives access to its values.
template <class T>
class Buffer {
 public:
  /// Room for `size` values; what was there is lost if it grows.
  void Reserve(int64_t size) {
    if (size <= size_) return;
    constexpr size_t kLine = 64;
    const size_t bytes =
        (static_cast<size_t>(size + kSlack) * sizeof(T) + kLine - 1) / kLine * kLine;
    data_.reset();
    size_ = 0;
    auto* memory = static_cast<T*>(std::aligned_alloc(kLine, bytes));
    if (memory == nullptr) throw std::bad_alloc();
    AdviseHugePages(memory, bytes);
    std::memset(memory, 0, bytes);
    data_.reset(memory);
    size_ = size;
  }
  void Zero() const { std::memset(data_.get(), 0, static_cast<size_t>(size_) * sizeof(T)); }

  int64_t size() const { return size_; }
  T* data() const { return data_.get(); }
  T& operator[](int64_t i) const { return data_[static_cast<size_t>(i)]; }

 private:
  struct Free {
    void operator()(T* memory) const { std::free(memory); }
  };
  std::unique_ptr<T[], Free> data_;
  int64_t size_ = 0;
};

/// Shape of one example's image in memory: [height][width][channels] inside a border of zeros.
struct ImageShape {
  int64_t channels = 0, height = 0, width = 0, border = 0;

  int64_t row() const { return (width + 2 * border) * channels; }
  int64_t interior() const { return border * (row() + channels); }  ///< of its first pixel
  int64_t size() const { return (height + 2 * border) * row(); }
  int64_t values() const { return channels * height * width; }
};

/// A layer's images for every example of a batch, and the gradient of one of them, in the same
/// shape.
struct Images {
  ImageShape shape;
  Buffer<float> all, gradient;

  int64_t stride() const { return RoundUp(shape.size() + kSlack, kBlock); }
  void Reserve(int64_t examples) {
    all.Reserve(examples * stride());
    gradient.Reserve(stride());
  }
  /// The corner of the border.
  float* Corner(int64_t example) const { return all.data() + example * stride(); }
  float* Pixels(int64_t example) const { return Corner(example) + shape.interior(); }
  float* GradientPixels() const { return gradient.data() + shape.interior(); }
};

/// A layer's vectors for every example of a batch, and their gradients; zero behind the last value
/// of a row.
struct Vectors {
  int64_t size = 0;
  Buffer<float> all, gradient;

  int64_t stride() const { return RoundUp(size, kBlock); }
  void Reserve(int64_t examples) {
    all.Reserve(examples * stride());
    gradient.Reserve(examples * stride());
  }
  float* At(int64_t example) const { return all.data() + example * stride(); }
  float* GradientAt(int64_t example) const { return gradient.data() + example * stride(); }
};

}  // namespace flsim::fused
