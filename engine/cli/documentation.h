// What the declared options look like to a reader: help in the terminal, configs/OPTIONS.md,
// configs/schema.json. All of it comes from the registry and from schemas; nothing is written
// twice.
#pragma once

#include <string>

#include "engine/core/json.h"

namespace flsim {

/// `flsim describe KIND NAME`: what it is, every option with type, range, default and doc, and for
/// an alias what it stands for. Throws ConfigError for an unknown kind or name, with a suggestion.
std::string DescribeComponent(const std::string& kind, const std::string& name);

/// The options of a schema made by Schema::Of(), each with type, range, default and doc; at most
/// 100 columns. "" if it has none.
std::string ComponentHelp(const Json& schema);

/// `flsim list [KIND]`: names and docs of one kind, one to a line with the name first, or of all
/// kinds (kind ""). Throws ConfigError for an unknown kind.
std::string ListComponents(const std::string& kind);

/// configs/OPTIONS.md: the experiment's options and blocks, then every component of every kind.
std::string OptionsMarkdown(const Json& experiment_schema);

/// configs/schema.json: the schema of a config file with the definitions of all kinds (draft 7).
Json FullSchema(const Json& experiment_schema);

}  // namespace flsim
