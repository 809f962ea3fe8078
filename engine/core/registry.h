// Components by name. A plug-in file registers itself with one line and is found by the config,
// `flsim list`, `flsim describe`, the schema and the tests:
//
//   FLSIM_REGISTER(Strategy, FedProx, "fedprox", "FedAvg with a proximal term (Li et al., 2020).");
//
// A Base declares `static constexpr const char* kKind` (the config key) and `struct Context` (what
// a component is built from besides its own options). A component declares `struct Options` and a
// constructor (const Options&, const Base::Context&).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/core/error.h"
#include "engine/core/options.h"

namespace flsim {

/// A name people expect for one component with one other axis of the experiment replaced: "fedavgm"
/// is strategy "fedavg" with server_optimizer {"name": "sgd", "momentum": 0.9}. Options beside the
/// alias go to that other axis.
struct Alias {
  std::string name, component, axis;
  Json axis_default;  ///< the replacing component, with the defaults that differ from its own
  std::string doc;
};

/// One kind of component, without its type: what list, describe, schema and documentation need.
struct Kind {
  std::string name;
  std::function<std::vector<std::string>()> names;  ///< sorted, without aliases
  std::function<std::string(const std::string&)> doc;
  std::function<Json(const std::string&)> schema;  ///< of one component
  std::vector<Alias> aliases;                      ///< sorted by name
};

/// All kinds by name.
std::map<std::string, Kind>& Kinds();

/// Adds an alias of that kind; returns true. FLSIM_ALIAS calls it.
bool AddAlias(const std::string& kind, Alias alias);

/// The alias of that kind and name, or null.
const Alias* FindAlias(const std::string& kind, const std::string& name);

/// "a, b, c": the names and aliases of a kind, sorted.
std::string KnownNames(const std::string& kind);

/// "unknown strategy 'fedporx'; known: fedavg, ...; did you mean 'fedprox'?".
std::string UnknownName(const std::string& kind, const std::string& name);

/// The schema of an alias: the options of the component on its axis.
Json AliasSchema(const Alias& alias);

/// "#/definitions" of a schema: for each kind, its components by name alone or with options.
Json SchemaDefinitions();

/// Replaces the aliases in an experiment's JSON by what they stand for; problems keep the alias's
/// path.
void ExpandAliases(Json& experiment, Problems& problems);

/// A component that the config chose by name, with its options. Default-constructed from a name, it
/// is the default.
template <class Base>
struct Choice {
  Choice() = default;
  explicit Choice(const char* default_name) : name(default_name) {}

  /// Reads "name" or {"name": ..., options}; options without a name are the default's. Problems
  /// leave `make` empty.
  void Bind(const Json& in, const std::string& path, Problems& problems);
  std::string Known() const;
  std::unique_ptr<Base> Make(const typename Base::Context& context) const {
    FLSIM_CHECK(make, Base::kKind, name);
    return make(context);
  }

  std::string name;
  Json resolved;  ///< {"name": ..., every option}
  std::function<std::unique_ptr<Base>(const typename Base::Context&)> make;
};

template <class Base>
class Registry {
 public:
  static Registry& Get() {
    static Registry registry;
    return registry;
  }

  template <class Component>
  bool Add(const char* name, const char* doc) {
    Entry entry;
    entry.doc = doc;
    entry.bind = [name](const Json& in, const std::string& path, Problems& problems) {
      typename Component::Options options;
      const size_t before = problems.size();
      ReadOptions(options, in, path, problems, /*named=*/true);
      Choice<Base> choice(name);
      choice.resolved = {{"name", name}};
      choice.resolved.update(Writer::Write(options));
      if (problems.size() == before) {
        choice.make = [options](const typename Base::Context& context) -> std::unique_ptr<Base> {
          return std::make_unique<Component>(options, context);
        };
      }
      return choice;
    };
    entry.schema = [name, doc] {
      typename Component::Options options;
      return Schema::Of(options, name, doc);
    };
    FLSIM_CHECK(entries_.emplace(name, std::move(entry)).second, "registered twice:", name);
    return true;
  }

  Choice<Base> Bind(const Json& in, const std::string& path, Problems& problems) const {
    const Json object = in.is_string() ? Json{{"name", in}} : in;
    if (!object.is_object()) {
      problems.Add(path, "expected a name or an object with a name, got " + Shown(in));
      return {};
    }
    const auto name = object.find("name");
    if (name == object.end() || !name->is_string()) {
      problems.Add(path, "needs a \"name\"; known: " + KnownNames(Base::kKind));
      return {};
    }
    const auto found = entries_.find(name->get<std::string>());
    if (found != entries_.end()) return found->second.bind(object, path, problems);
    problems.Add(path, UnknownName(Base::kKind, name->get<std::string>()));
    return {};
  }

  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& entry : entries_) names.push_back(entry.first);
    return names;
  }

 private:
  struct Entry {
    std::string doc;
    std::function<Choice<Base>(const Json&, const std::string& path, Problems&)> bind;
    std::function<Json()> schema;
  };

  Registry() {
    Kind& kind = Kinds()[Base::kKind];
    kind.name = Base::kKind;
    kind.names = [this] { return Names(); };
    kind.doc = [this](const std::string& name) { return entries_.at(name).doc; };
    kind.schema = [this](const std::string& name) { return entries_.at(name).schema(); };
  }

  std::map<std::string, Entry> entries_;
};

template <class Base>
void Choice<Base>::Bind(const Json& in, const std::string& path, Problems& problems) {
  if (in.is_object() && !in.contains("name") && !name.empty()) {
    Json named = {{"name", name}};
    named.update(in);
    *this = Registry<Base>::Get().Bind(named, path, problems);
  } else {
    *this = Registry<Base>::Get().Bind(in, path, problems);
  }
}

template <class Base>
std::string Choice<Base>::Known() const {
  Registry<Base>::Get();  // makes the kind known
  return "known: " + KnownNames(Base::kKind);
}

#define FLSIM_REGISTER(Base, Type, name, doc)            \
  [[maybe_unused]] static const bool registered_##Type = \
      ::flsim::Registry<Base>::Get().template Add<Type>(name, doc)

#define FLSIM_ALIAS(Base, id, ...)                \
  [[maybe_unused]] static const bool alias_##id = \
      ::flsim::AddAlias(Base::kKind, ::flsim::Alias{__VA_ARGS__})

}  // namespace flsim
