// Successive halving: all points run to the first rung, the better ones to the next.
#pragma once

#include "engine/sweep/trial_runner.h"

namespace flsim {

/// Runs the trials, which have equally many rounds, up to one rung after the other and drops the
/// points that are not among the best. What has been decided at a rung stands in the folder
/// (halving.json) before anything follows from it: a sweep that goes on, or is run again, decides
/// nothing twice. Ends early where trials failed, as points are compared only when all of their
/// trials have come so far.
void RunHalving(const Sweep& sweep, SweepFolder& folder, TrialRunner& running);

/// Throws ConfigError, naming the key, where an experiment can't be halved as the sweep wants it.
void CheckHalving(const Sweep& sweep, const Experiment& experiment);

}  // namespace flsim
