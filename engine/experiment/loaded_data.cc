#include "engine/experiment/loaded_data.h"

#include "engine/core/device.h"

namespace flsim {

std::shared_ptr<Dataset> LoadedData::Get(const std::string& key, std::shared_ptr<Dataset> dataset) {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::weak_ptr<Dataset>& entry = loaded_[key];
  if (std::shared_ptr<Dataset> shared = entry.lock()) return shared;
  dataset->Load(AvailableCores());
  entry = dataset;
  return dataset;
}

}  // namespace flsim
