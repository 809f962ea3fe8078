// Short names for groups of runs, as legends need them.
#pragma once

#include <string>
#include <vector>

#include "engine/analysis/runs.h"

namespace flsim {

/// The parts of a group's label: "strategy=fedprox", "training.lr=0.1".
std::vector<std::string> LabelParts(const std::string& label);

/// One label a group: the first setting that differs between groups and those of the others that
/// are not what most groups have: "strategy=fedavg", "strategy=fedprox", "strategy=fedavg,
/// aggregator=krum". The group's own label where that would leave two groups alike or says nothing.
std::vector<std::string> ShortLabels(const std::vector<RunGroup>& groups);

}  // namespace flsim
