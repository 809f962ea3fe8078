// Strategies against plain PyTorch loops; tests/reference/strategies_cifar10.py says what those do.
#include "tests/experiment/lenet_reference.h"
#include "tests/skip.h"

namespace flsim {
namespace {

SafetensorsFile Reference() {
  return ReadSafetensors("tests/reference/strategies_lenet.safetensors");
}

void CompareStrategies(const std::string& records, const std::string& data,
                       const std::string& backend) {
  const SafetensorsFile reference = Reference();
  const LenetReference lenet(records);
  int runs = 0;
  for (const auto& [name, text] : reference.metadata) {
    if (name.compare(0, data.size() + 1, data + ".") != 0) continue;
    const Json run = Json::parse(text);
    const Json& cohorts = run.at("cohorts");
    WriteBytes(lenet.File("cohorts.json"), cohorts.dump());
    Json json =
        With(lenet.json, {{"sampler", {{"name", "file"}, {"path", lenet.File("cohorts.json")}}}});
    for (const auto& [path, value] : run.at("config").items()) SetAtPath(json, path, value);
    SetAtPath(json, "runtime.backend", backend);
    for (int round = 1; round <= static_cast<int>(cohorts.size()); ++round) {
      CheckAgainstPyTorch(reference, name, round, RunOnce(With(json, {{"rounds", round}})));
    }
    ++runs;
  }
  CHECK(runs == 15);
}

TEST_CASE("three rounds of each strategy equal plain PyTorch on images made by a formula") {
  // With PyTorch's own kernels: smooth images have windows whose maximum rounding decides.
  CompareStrategies(FormulaRecords(), "formula", "torch");
}

TEST_CASE("three rounds of each strategy equal plain PyTorch on real images") {
  if (RealImages().empty()) return Skip("needs CIFAR-10 in FLSIM_DATA");
  const std::string records = RealRecords();
  if (Sha256(records) != Reference().metadata.at("cifar10_sha256")) {
    return Skip("the reference was computed on other copies of these images");
  }
  CompareStrategies(records, "cifar10", "auto");
}

}  // namespace
}  // namespace flsim
