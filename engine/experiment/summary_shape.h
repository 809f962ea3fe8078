// Which values a run's summary has, before it is run.
#pragma once

#include "engine/experiment/experiment.h"

namespace flsim {

/// Every key that the summary.json of a run of this experiment may have, as far as its config
/// tells; the values mean nothing. The experiment need not be loaded.
Json SummaryShape(const Experiment& experiment);

}  // namespace flsim
