// Data sets that experiments of one process have in common.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "datasets/dataset.h"

namespace flsim {

/// Loads a data set once for all experiments that use it at the same time. Thread-safe.
class LoadedData {
 public:
  /// The loaded data set of this key, which tells all that the data depend on: one that is in use,
  /// else `dataset`, after loading it. Throws what Load() throws.
  std::shared_ptr<Dataset> Get(const std::string& key, std::shared_ptr<Dataset> dataset);

 private:
  std::mutex mutex_;
  std::map<std::string, std::weak_ptr<Dataset>> loaded_;
};

}  // namespace flsim
