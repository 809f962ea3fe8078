// Which clients took part in which rounds of a run.
#pragma once

#include <string>

#include "engine/analysis/runs.h"

namespace flsim {

/// Equal for runs whose cohorts are the same in every round; "" for a run without cohorts.
std::string CohortsHash(const RecordedRun& run);

/// What the page shows of a run's cohorts: `clients` and `rounds`; `rows` and `columns` (at most
/// 1,000 and 500 bins of neighbouring clients and rounds), `cells`, for each column its row, count,
/// row, count ... where somebody took part; `times` [how often, clients] pairs in bins of
/// `times_width`; `least`, `median` and `most` times of a client.
Json ParticipationJson(const RecordedRun& run);

}  // namespace flsim
