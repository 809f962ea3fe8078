#include <catch2/catch.hpp>

#include "datasets/dataset.h"

namespace flsim {
namespace {

TEST_CASE("A batch has the shapes and the kind of target that the facts tell", "[batch]") {
  Batch batch(c10::kCPU);
  DatasetFacts pictures;
  pictures.task = Task::kClassification;
  pictures.input_shape = {3, 4, 5};
  batch.Resize(pictures, 7);
  CHECK(batch.size() == 7);
  CHECK(batch.inputs().sizes() == c10::IntArrayRef({7, 3, 4, 5}));
  CHECK(batch.inputs().scalar_type() == at::kFloat);
  CHECK(batch.inputs().data_ptr<float>() == batch.input_data());
  CHECK(batch.targets().sizes() == c10::IntArrayRef({7}));
  CHECK(batch.targets().data_ptr<int64_t>() == batch.labels());
  CHECK(batch.target_values() == nullptr);

  DatasetFacts numbers;
  numbers.task = Task::kRegression;
  numbers.input_shape = {2};
  batch.Resize(numbers, 3);
  CHECK(batch.inputs().sizes() == c10::IntArrayRef({3, 2}));
  CHECK(batch.targets().data_ptr<float>() == batch.target_values());
  CHECK(batch.labels() == nullptr);
}

TEST_CASE("A batch keeps its memory when it shrinks and grows back", "[batch]") {
  DatasetFacts facts;
  facts.input_shape = {10};
  Batch batch(c10::kCPU);
  batch.Resize(facts, 32);
  const float* inputs = batch.input_data();
  const float* targets = batch.target_values();
  for (const int64_t size : {5, 32, 0, 1, 31}) {
    batch.Resize(facts, size);
    CHECK(batch.input_data() == inputs);
    CHECK(batch.target_values() == targets);
    CHECK(batch.inputs().size(0) == size);
    CHECK(batch.targets().size(0) == size);
    CHECK(batch.inputs().is_contiguous());
  }
  batch.Resize(facts, 33);
  CHECK(batch.inputs().sizes() == c10::IntArrayRef({33, 10}));
}

}  // namespace
}  // namespace flsim
