// What a sweep varies: grids, lists that vary together, and random draws.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/core/options.h"
#include "engine/sweep/sweep_file.h"

namespace flsim {

constexpr double kMostTrials = 100000;

/// What one axis may be, one alternative for each point it makes of a point.
using Axis = std::vector<Assignments>;

/// The axes of the grid, zip and random of an object of the file, which is at `path`.
std::vector<Axis> Axes(const Json& object, const std::string& path, Problems& problems);

/// Every point combined with every alternative of every axis, the last axis fastest.
/// Throws ConfigError for more than kMostTrials.
std::vector<Assignments> Combine(std::vector<Assignments> points, const std::vector<Axis>& axes);

/// Adds a problem for every key that is not one of `known`.
void RefuseUnknown(const Json& object, const std::vector<std::string>& known,
                   const std::string& path, Problems& problems);
/// Whether `value` is an object; adds a problem if it isn't.
bool IsObject(const Json& value, const std::string& path, Problems& problems);
/// The integer at `key`, between `least` and `most`; `value` if it is absent.
int64_t Integer(const Json& object, const char* key, int64_t value, int64_t least, int64_t most,
                const std::string& path, Problems& problems);

}  // namespace flsim
