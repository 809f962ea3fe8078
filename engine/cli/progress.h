// Progress on stderr while a run goes on.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "engine/experiment/record.h"

namespace flsim {

/// The kind of progress that a flag asks for; "" asks for a bar on a terminal, else plain lines.
std::string ProgressKind(const std::string& flag);

/// A sink that shows where a run is; destroyed, it leaves the cursor on a fresh line.
/// "bar": one line that is redrawn, with round, loss, accuracy, examples/s and time left; "plain":
/// a line now and then; "none": null.
std::unique_ptr<RecordSink> MakeProgress(const std::string& kind, int64_t rounds);

/// 75 as "1:15", 3675 as "1:01:15".
std::string ShowDuration(double seconds);
/// 1234567 as "1.23M".
std::string ShowCount(double value);

}  // namespace flsim
