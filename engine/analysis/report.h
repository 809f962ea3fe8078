// What a report shows of recorded runs.
#pragma once

#include <string>
#include <vector>

#include "engine/analysis/partition_table.h"
#include "engine/analysis/runs.h"

namespace flsim {

/// The data block of the report's page, which engine/analysis/page/*.js draw: metrics, groups with
/// their curves, runs, settings, clients, participation, partitions and notes. `metric` is the one
/// that the page opens with. It has about a million numbers at most, however long the runs
/// are, and its `notes` say what was thinned out or left out. `live`: the page loads itself anew
/// every few seconds. Throws DataError where a table of a run folder is damaged.
Json ReportData(const std::vector<RecordedRun>& runs, const std::string& metric, bool live);

/// The data block of a page about a partition alone, before any training: the table with its
/// measures, and the config's settings that lead to it.
Json PartitionData(const Json& config, const PartitionTable& table,
                   const PartitionStatistics& measures);

}  // namespace flsim
