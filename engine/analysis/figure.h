// Figures for papers.
#pragma once

#include <string>
#include <vector>

#include "engine/analysis/runs.h"

namespace flsim {

/// A metric over rounds as an SVG file: a line for each group of runs, the mean over those that
/// differ in their seeds alone, with a band from the lowest to the highest of them; a line is paler
/// where not all of a group's runs have got to. The axis of a loss or a norm that spans more than a
/// factor 50 is logarithmic. Several groups have a legend below. The same runs give the same bytes.
std::string SvgFigure(const std::vector<RecordedRun>& runs, const std::string& metric);

/// Ticks at 1, 2 or 5 times a power of ten within [low, high], some `about` of them.
std::vector<double> Ticks(double low, double high, int about);

}  // namespace flsim
