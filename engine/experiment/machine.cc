#include "engine/experiment/machine.h"

#include <sys/sysinfo.h>
#include <torch/headeronly/version.h>

#include <fstream>
#include <string>

#include "engine/core/device.h"

namespace flsim {
namespace {

std::string CpuName() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("model name", 0) != 0) continue;
    const size_t colon = line.find(": ");
    if (colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

}  // namespace

Json MachineJson() {
  struct sysinfo info = {};
  sysinfo(&info);
  return {{"cpu", CpuName()},
          {"cores", AvailableCores()},
          {"memory_bytes", static_cast<uint64_t>(info.totalram) * info.mem_unit},
          {"libtorch", TORCH_VERSION}};
}

}  // namespace flsim
