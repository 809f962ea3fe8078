// Options are declared once, in a struct's Visit(), and used four ways: read strictly from JSON,
// written back with every default spelled out, described as JSON Schema, and (from the schema)
// printed as help.
//
//   struct Options {
//     double mu = 0.01;
//     template <class V> void Visit(V& v) { v(mu, "mu", "Weight of the proximal term.",
//     AtLeast(0)); } void Check(Problems& problems, const std::string& path);  // optional: rules
//     that span several fields
//   };
//
// A field is a bool, integer, floating-point number, string, std::optional or std::vector of a
// field, a struct with Visit(), or a Choice<Base> (registry.h). A list may be written as a lone
// item.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "engine/core/json.h"

namespace flsim {

/// Collects what is wrong with a config, so that one run reports all of it.
class Problems {
 public:
  void Add(const std::string& path, const std::string& text);
  /// From now on problems below `from` are reported as below `to`: an alias keeps the user's own
  /// path.
  void Rename(const std::string& from, const std::string& to);
  /// A problem that was found by what a component throws; `line` is "path: text".
  void AddLine(const std::string& line);
  size_t size() const { return problems_.size(); }
  /// Puts the problems after the first `from`, all below `path`, into the order in which `object`
  /// (what stands at `path`) has their keys; missing keys come last.
  void OrderAsIn(const Json& object, const std::string& path, size_t from);
  /// Throws ConfigError "FILE has N problems" with one line for each, if there are any.
  void ThrowIfAny(const std::string& file) const;

 private:
  struct Problem {
    std::string path;  ///< as it was added, before renames
    std::string line;
  };
  std::vector<Problem> problems_;
  std::vector<std::pair<std::string, std::string>> renames_;
};

/// What values a field accepts; by default any value of its type. For a list: what each item
/// accepts.
struct Accepts {
  std::optional<double> min, max;
  bool exclusive_min = false, exclusive_max = false;
  std::vector<std::string> names;
};
Accepts AtLeast(double min);
Accepts GreaterThan(double min);
Accepts Between(double min, double max);
/// min <= value < max.
Accepts FromBelow(double min, double max);
/// min < value <= max.
Accepts UpTo(double min, double max);
/// min < value < max.
Accepts Inside(double min, double max);
Accepts OneOf(std::vector<std::string> names);

/// The name nearest to `typo` by edits, else one that begins with it, or "" if none is near.
std::string Nearest(const std::string& typo, const std::vector<std::string>& names);

/// "a, b, c".
std::string JoinNames(const std::vector<std::string>& names);

/// The value as it stood in the file, shortened.
std::string Shown(const Json& value);

template <class Base>
struct Choice;

namespace options {

template <class T>
struct IsChoice : std::false_type {};
template <class B>
struct IsChoice<Choice<B>> : std::true_type {
  using Base = B;
};
template <class T>
struct IsVector : std::false_type {};
template <class E>
struct IsVector<std::vector<E>> : std::true_type {
  using Item = E;
};
template <class T>
struct IsOptional : std::false_type {};
template <class E>
struct IsOptional<std::optional<E>> : std::true_type {
  using Item = E;
};
template <class T>
constexpr bool kIsStruct = std::is_class_v<T> && !std::is_same_v<T, std::string> &&
                           !IsChoice<T>::value && !IsVector<T>::value && !IsOptional<T>::value;
template <class T, class = void>
struct HasCheck : std::false_type {};
template <class T>
struct HasCheck<
    T, std::void_t<decltype(std::declval<T&>().Check(std::declval<Problems&>(), std::string()))>>
    : std::true_type {};

template <class T>
constexpr const char* TypeName() {
  if constexpr (std::is_same_v<T, bool>)
    return "boolean";
  else if constexpr (std::is_integral_v<T>)
    return "integer";
  else if constexpr (std::is_floating_point_v<T>)
    return "number";
  else
    return "string";
}

/// Says why `value` is outside `accepts`, or "".
std::string OutOfRange(double number, const Accepts& accepts, const Json& value);
/// Says why an integer does not fit `min`..`max`, or "".
std::string OutOfLimits(const Json& value, int64_t min, uint64_t max);
void AddUnknownKeys(const Json& in, const std::vector<std::string>& known, const std::string& path,
                    bool named, Problems& problems);
/// Adds the range and default of a scalar to its schema.
void DescribeScalar(Json& schema, const Accepts& accepts);

}  // namespace options

/// Fills `out` from JSON, strictly: unknown keys, wrong types and values out of range are added to
/// `problems` under `path`. `named`: `in` belongs to a component and its "name" is not an option.
template <class T>
void ReadOptions(T& out, const Json& in, const std::string& path, Problems& problems,
                 bool named = false);

/// The visitor behind ReadOptions.
class Reader {
 public:
  Reader(const Json& in, std::string path, Problems& problems)
      : in_(in), path_(std::move(path)), problems_(problems) {}

  template <class T>
  void operator()(T& field, const char* name, const char* doc, const Accepts& accepts = {}) {
    known_.push_back(name);
    const std::string path = JoinPath(path_, name);
    const auto found = in_.find(name);
    if (found != in_.end()) {
      Read(field, *found, path, accepts);
    } else if constexpr (options::IsChoice<T>::value) {
      if (field.name.empty())
        problems_.Add(path, "missing; " + field.Known());
      else
        Read(field, Json(field.name), path, accepts);
    } else if constexpr (options::kIsStruct<T>) {
      Read(field, Json::object(), path, accepts);
    }
  }

  const std::vector<std::string>& known() const { return known_; }

 private:
  template <class T>
  void Read(T& field, const Json& value, const std::string& path, const Accepts& accepts) {
    using namespace options;
    if constexpr (IsChoice<T>::value) {
      field.Bind(value, path, problems_);
    } else if constexpr (IsOptional<T>::value) {
      typename IsOptional<T>::Item item{};
      const size_t before = problems_.size();
      Read(item, value, path, accepts);
      if (problems_.size() == before) field = std::move(item);
    } else if constexpr (IsVector<T>::value) {
      ReadList(field, value, path, accepts);
    } else if constexpr (kIsStruct<T>) {
      ReadOptions(field, value, path, problems_);
    } else {
      ReadScalar(field, value, path, accepts);
    }
  }

  template <class T>
  void ReadList(std::vector<T>& field, const Json& value, const std::string& path,
                const Accepts& accepts) {
    field.clear();
    const Json list = value.is_array() ? value : Json::array({value});
    for (size_t i = 0; i < list.size(); ++i) {
      field.emplace_back();
      Read(field.back(), list[i], value.is_array() ? path + "[" + std::to_string(i) + "]" : path,
           accepts);
    }
  }

  template <class T>
  void ReadScalar(T& field, const Json& value, const std::string& path, const Accepts& accepts) {
    const bool matches = std::is_same_v<T, bool>       ? value.is_boolean()
                         : std::is_integral_v<T>       ? value.is_number_integer()
                         : std::is_floating_point_v<T> ? value.is_number()
                                                       : value.is_string();
    if (!matches) {
      problems_.Add(path,
                    std::string("expected ") + options::TypeName<T>() + ", got " + Shown(value));
      return;
    }
    if constexpr (std::is_arithmetic_v<T> && !std::is_same_v<T, bool>) {
      std::string wrong = options::OutOfRange(value.get<double>(), accepts, value);
      if constexpr (std::is_integral_v<T>) {
        if (wrong.empty()) {
          wrong = options::OutOfLimits(value, static_cast<int64_t>(std::numeric_limits<T>::min()),
                                       static_cast<uint64_t>(std::numeric_limits<T>::max()));
        }
      }
      if (!wrong.empty()) return problems_.Add(path, wrong);
    }
    field = value.get<T>();
    if constexpr (std::is_same_v<T, std::string>) {
      if (!accepts.names.empty() &&
          std::find(accepts.names.begin(), accepts.names.end(), field) == accepts.names.end()) {
        problems_.Add(path, "must be one of " + JoinNames(accepts.names) + "; got " + Shown(value));
      }
    }
  }

  const Json& in_;
  std::string path_;
  Problems& problems_;
  std::vector<std::string> known_;
};

template <class T>
void ReadOptions(T& out, const Json& in, const std::string& path, Problems& problems, bool named) {
  if (!in.is_object())
    return problems.Add(path.empty() ? "config" : path, "expected an object, got " + Shown(in));
  const size_t before = problems.size();
  Reader reader(in, path, problems);
  out.Visit(reader);
  options::AddUnknownKeys(in, reader.known(), path, named, problems);
  problems.OrderAsIn(in, path, before);
  if constexpr (options::HasCheck<T>::value) {
    if (problems.size() == before) out.Check(problems, path);
  }
}

/// Writes a struct as JSON with every default spelled out; an optional field without value is left
/// out.
class Writer {
 public:
  template <class T>
  void operator()(T& field, const char* name, const char* /*doc*/, const Accepts& = {}) {
    if constexpr (options::IsOptional<T>::value) {
      if (field) out[name] = Write(*field);
    } else {
      out[name] = Write(field);
    }
  }
  template <class T>
  static Json Write(T& field) {
    if constexpr (options::IsChoice<T>::value) {
      return field.resolved;
    } else if constexpr (options::IsVector<T>::value) {
      Json list = Json::array();
      for (auto&& item : field) list.push_back(Write(item));
      return list;
    } else if constexpr (options::kIsStruct<T>) {
      Writer writer;
      field.Visit(writer);
      return writer.out;
    } else {
      return field;
    }
  }
  Json out = Json::object();
};

/// Describes a struct as JSON Schema (draft 7), from its declaration and its default values. A
/// Choice refers to
/// "#/definitions/KIND".
class Schema {
 public:
  template <class T>
  void operator()(T& field, const char* name, const char* doc, const Accepts& accepts = {}) {
    Json schema = Describe(field, accepts);
    if constexpr (options::IsChoice<T>::value) {
      // Draft 7 ignores what stands beside a $ref.
      schema = {{"allOf", Json::array({schema})}};
      if (field.name.empty())
        required.push_back(name);
      else
        schema["default"] = field.name;
    }
    schema["description"] = doc;
    properties[name] = schema;
  }
  template <class T>
  static Json Describe(T& field, const Accepts& accepts) {
    using namespace options;
    if constexpr (IsChoice<T>::value) {
      return {{"$ref", std::string("#/definitions/") + IsChoice<T>::Base::kKind}};
    } else if constexpr (IsOptional<T>::value) {
      typename IsOptional<T>::Item item{};
      Json schema = Describe(item, accepts);
      schema.erase("default");
      if (field) schema["default"] = Writer::Write(*field);
      return schema;
    } else if constexpr (IsVector<T>::value) {
      typename IsVector<T>::Item item{};
      Json each = Describe(item, accepts);
      each.erase("default");
      Json schema = {{"anyOf", Json::array({Json{{"type", "array"}, {"items", each}}, each})}};
      schema["default"] = Writer::Write(field);
      return schema;
    } else if constexpr (kIsStruct<T>) {
      return Of(field);
    } else {
      Json schema = {{"type", TypeName<T>()}, {"default", field}};
      if (std::is_unsigned_v<T> && !std::is_same_v<T, bool>) schema["minimum"] = 0;
      DescribeScalar(schema, accepts);
      return schema;
    }
  }
  /// The schema of a struct; of a component when `name` is given.
  template <class T>
  static Json Of(T& options, const char* name = nullptr, const char* doc = nullptr) {
    Schema schema;
    if (name != nullptr) {
      schema.properties["name"] = {{"const", name}};
    }
    options.Visit(schema);
    Json out = {{"type", "object"}};
    if (doc != nullptr) out["description"] = doc;
    out["properties"] = schema.properties;
    if (!schema.required.empty()) out["required"] = schema.required;
    out["additionalProperties"] = false;
    return out;
  }
  Json properties = Json::object();
  Json required = Json::array();
};

}  // namespace flsim
