// The self-contained HTML page of a report.
#pragma once

#include <string>
#include <string_view>

#include "engine/core/json.h"

namespace flsim {

/// One HTML file with the data block of ReportData() or PartitionData(), the scripts and styles of
/// engine/analysis/page and Chart.js with its licence; it loads nothing. Data are text to it,
/// whatever they hold: `</script>` or markup in a run's name or config is shown as it is.
std::string Page(const Json& data);

/// The data as they stand in the page's JSON block: no `<`, `>` or `&`, no invalid UTF-8.
std::string EscapedJson(const Json& data);

/// Text as it stands in HTML and SVG.
std::string EscapedText(std::string_view text);

/// A file of the page by its name, such as "page.css"; they are part of the program.
std::string_view PageFile(std::string_view name);

}  // namespace flsim
