// clients.csv: what each client did in each round.
#pragma once

#include <string>

#include "engine/experiment/experiment.h"
#include "engine/experiment/record.h"

namespace flsim {

/// Whether a run of this loaded experiment writes clients.csv: see output.clients.
bool RecordsClients(const Experiment& experiment);
/// Whether a clients.csv of it has the cosine to the aggregate.
bool RecordsCosines(const Experiment& experiment);

/// The first line of clients.csv. `examples`: the client's training examples; `train_loss`: mean
/// over its local training, `first_loss` and `last_loss`: of its first and last local batch, each
/// before its step; `cosine`: of the angle between its update and the aggregated one; `bytes`: up
/// and down; `seconds`: on its worker; `loss` and `accuracy`: of its evaluation in that round.
extern const char* const kClientColumns;

/// The lines of a round, by client: of those who took part and those who were evaluated. What was
/// not taken is empty. Numbers have the shortest digits that are exact in float32.
std::string ClientLines(const RoundRecord& record, const Partition& partition);

}  // namespace flsim
