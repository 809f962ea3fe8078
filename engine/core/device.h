// Where tensors live and work is done.
#pragma once

#include <c10/core/Device.h>

#include <string>
#include <vector>

#include "engine/core/options.h"

namespace flsim {

/// The devices that runtime.devices names ("cpu"; "auto": the best there are). Adds a problem below
/// `path` for a name that is unknown or a device that this build or machine does not have. Not
/// empty unless there was a problem.
std::vector<c10::Device> ParseDevices(const std::vector<std::string>& names,
                                      const std::string& path, Problems& problems);

/// How many cores this process may use, at least 1.
int AvailableCores();

}  // namespace flsim
