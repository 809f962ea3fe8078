// Components from their JSON, as an experiment makes them.
#pragma once

#include <memory>
#include <string>

#include "datasets/dataset.h"
#include "datasets/partition.h"
#include "tests/temp_folder.h"

namespace flsim {

template <class Base>
Choice<Base> Bound(const Json& options) {
  Choice<Base> choice;
  Problems problems;
  choice.Bind(options, Base::kKind, problems);
  problems.ThrowIfAny("config");
  return choice;
}

inline std::unique_ptr<Dataset> MakeDataset(const Json& options, uint64_t seed = 1) {
  return Bound<Dataset>(options).Make(Dataset::Context{seed});
}

inline std::unique_ptr<Dataset> LoadedDataset(const Json& options, uint64_t seed = 1,
                                              int threads = 2) {
  auto dataset = MakeDataset(options, seed);
  dataset->Load(threads);
  return dataset;
}

inline Partition MakePartition(const Json& options, const PartitionInput& input,
                               uint64_t seed = 1) {
  return Bound<Partitioner>(options).Make({})->Split(input, Rng(seed, Stream{"partition"}));
}

}  // namespace flsim
