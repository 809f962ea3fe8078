#include "engine/core/device.h"

#include <sched.h>

#include <algorithm>

namespace flsim {

std::vector<c10::Device> ParseDevices(const std::vector<std::string>& names,
                                      const std::string& path, Problems& problems) {
  std::vector<c10::Device> devices;
  if (names.empty()) problems.Add(path, "must name at least one device, such as \"cpu\"");
  for (const std::string& name : names) {
    if (name == "cpu" || name == "auto") {
      const c10::Device cpu(c10::kCPU);
      if (std::find(devices.begin(), devices.end(), cpu) == devices.end()) devices.push_back(cpu);
    } else if (name.rfind("cuda", 0) == 0) {
      problems.Add(path, "'" + name + "': this build runs on the CPU only; use \"cpu\"");
    } else {
      problems.Add(path, "unknown device '" + name + "'; known: auto, cpu");
    }
  }
  return devices;
}

int AvailableCores() {
  cpu_set_t cores;
  if (sched_getaffinity(0, sizeof cores, &cores) != 0) return 1;
  return std::max(1, CPU_COUNT(&cores));
}

}  // namespace flsim
