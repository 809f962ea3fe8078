// Components as the config builds them.
#pragma once

#include <memory>
#include <string>

#include "engine/core/registry.h"
#include "tests/temp_folder.h"

namespace flsim {

/// Throws ConfigError as `flsim` would show it.
template <class Base>
std::unique_ptr<Base> BuildComponent(const Json& options,
                                     const typename Base::Context& context = {}) {
  Problems problems;
  Choice<Base> choice;
  choice.Bind(options, Base::kKind, problems);
  problems.ThrowIfAny("test.json");
  return choice.Make(context);
}

/// Why such a component is refused, "" if it isn't.
template <class Base>
std::string WhyRefused(const Json& options) {
  return ErrorOf<ConfigError>([&] { BuildComponent<Base>(options); });
}

}  // namespace flsim
