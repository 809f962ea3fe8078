#include "engine/cli/documentation.h"

#include <algorithm>
#include <functional>
#include <set>
#include <sstream>
#include <vector>

#include "engine/core/error.h"
#include "engine/core/options.h"
#include "engine/core/registry.h"

namespace flsim {
namespace {

constexpr size_t kColumns = 100;

/// Appends `text` word by word to lines that start after `indent` spaces and end before kColumns.
/// The first line has `used` characters already.
std::string Wrap(const std::string& text, size_t indent, size_t used) {
  std::string out;
  std::istringstream words(text);
  std::string word;
  size_t column = used;
  bool first = true;
  while (words >> word) {
    if (!first && column + 1 + word.size() > kColumns) {
      out += "\n" + std::string(indent, ' ');
      column = indent;
      first = true;
    }
    out += (first ? "" : " ") + word;
    column += word.size() + (first ? 0 : 1);
    first = false;
  }
  return out;
}

std::string Indented(const std::string& text, size_t indent) {
  return std::string(indent, ' ') + Wrap(text, indent, indent) + "\n";
}

/// A value as one writes it in a config; 1 for 1.0.
std::string ShowValue(const Json& value) {
  if (value.is_number_float()) return ShowNumber(value.get<double>());
  if (value.is_array()) {
    std::string items;
    for (const Json& item : value) items += (items.empty() ? "" : ", ") + ShowValue(item);
    return "[" + items + "]";
  }
  if (value.is_object()) {
    std::string items;
    for (const auto& item : value.items()) {
      items +=
          (items.empty() ? "" : ", ") + Json(item.key()).dump() + ": " + ShowValue(item.value());
    }
    return "{" + items + "}";
  }
  return value.dump();
}

/// The kind that a schema refers to, or "".
std::string KindOf(const Json& schema) {
  const Json* at = &schema;
  if (at->contains("allOf")) at = &(*at)["allOf"][0];
  if (!at->contains("$ref")) return "";
  const std::string reference = (*at)["$ref"].get<std::string>();
  return reference.substr(reference.rfind('/') + 1);
}

/// The schema of a list's items, or null.
const Json* ItemsOf(const Json& schema) {
  return schema.contains("anyOf") ? &schema["anyOf"][0]["items"] : nullptr;
}

std::string Range(const Json& schema) {
  const auto bound = [&](const char* key, const char* before) {
    return schema.contains(key) ? before + ShowValue(schema[key]) : std::string();
  };
  if (schema.contains("minimum") && schema.contains("maximum")) {
    return ShowValue(schema["minimum"]) + " to " + ShowValue(schema["maximum"]);
  }
  // An unsigned field has minimum 0 beside a stricter bound of its own.
  const std::string low = schema.contains("exclusiveMinimum") ? bound("exclusiveMinimum", "above ")
                                                              : bound("minimum", "at least ");
  const std::string high = bound("exclusiveMaximum", "below ") + bound("maximum", "at most ");
  return low + (low.empty() || high.empty() ? "" : ", ") + high;
}

/// "integer, 1 to 1024"; `many`: the items of a list, "integers, each 1 to 1024".
std::string TypeText(const Json& schema, bool many = false) {
  if (const Json* items = ItemsOf(schema)) return "list of " + TypeText(*items, true);
  const std::string kind = KindOf(schema);
  if (!kind.empty()) return kind + (many ? "s" : "");
  if (schema.contains("enum")) {
    std::string names;
    for (const Json& name : schema["enum"]) names += (names.empty() ? "" : ", ") + ShowValue(name);
    return (many ? "" : "one of ") + names;
  }
  const std::string type = schema.value("type", "") + (many ? "s" : "");
  const std::string range = Range(schema);
  return range.empty() ? type : type + (many ? ", each " : ", ") + range;
}

std::string DefaultText(const Json& schema) {
  return schema.contains("default") ? ShowValue(schema["default"]) : "";
}

/// One option, its path inside its block or component, and its schema.
using Visit = std::function<void(const std::string& path, const Json& option, bool required)>;

/// Calls `visit` for each option but the name; a block's own options follow it.
void ForEachOption(const Json& schema, const std::string& path, const Visit& visit) {
  const Json required = schema.value("required", Json::array());
  for (const auto& item : schema.at("properties").items()) {
    if (item.value().contains("const")) continue;
    const std::string here = JoinPath(path, item.key());
    const bool is_required =
        std::find(required.begin(), required.end(), item.key()) != required.end();
    visit(here, item.value(), is_required);
    if (item.value().contains("properties")) ForEachOption(item.value(), here, visit);
  }
}

std::string UnknownName(const std::string& what, const std::string& name,
                        const std::vector<std::string>& known) {
  const std::string near = Nearest(name, known);
  return "unknown " + what + " '" + name + "'" +
         (near.empty() ? "; known: " : "; did you mean '" + near + "'? known: ") + JoinNames(known);
}

const Kind& FindKind(const std::string& name) {
  const auto found = Kinds().find(name);
  if (found != Kinds().end()) return found->second;
  std::vector<std::string> known;
  for (const auto& entry : Kinds()) known.push_back(entry.first);
  throw ConfigError(UnknownName("kind", name, known));
}

/// Components, then aliases.
std::vector<std::string> AllNames(const Kind& kind) {
  std::vector<std::string> names = kind.names();
  for (const Alias& alias : kind.aliases) names.push_back(alias.name);
  return names;
}

std::string DocOf(const Kind& kind, const std::string& name) {
  const Alias* alias = FindAlias(kind.name, name);
  return alias != nullptr ? alias->doc : kind.doc(name);
}

Json SchemaOf(const Kind& kind, const std::string& name) {
  const Alias* alias = FindAlias(kind.name, name);
  return alias != nullptr ? AliasSchema(*alias) : kind.schema(name);
}

/// What an alias is short for, as config text.
std::string StandsFor(const Kind& kind, const Alias& alias) {
  return Json(kind.name).dump() + ": " + Json(alias.component).dump() + ", " +
         Json(alias.axis).dump() + ": " + ShowValue(alias.axis_default);
}

/// {"name": ..., every option with its default}
Json WithDefaults(const Json& schema) {
  Json out = Json::object();
  for (const auto& item : schema.at("properties").items()) {
    const Json& option = item.value();
    if (option.contains("const")) {
      out[item.key()] = option["const"];
    } else if (option.contains("default")) {
      out[item.key()] = option["default"];
    } else if (option.contains("properties")) {
      out[item.key()] = WithDefaults(option);
    }
  }
  return out;
}

/// "name  doc" lines, aligned.
std::string NameTable(const Kind& kind, size_t indent) {
  size_t width = 0;
  for (const std::string& name : AllNames(kind)) width = std::max(width, name.size());
  std::string out;
  for (const std::string& name : AllNames(kind)) {
    const size_t column = indent + width + 2;
    std::string line = std::string(indent, ' ') + name;
    line.resize(column, ' ');
    out += line + Wrap(DocOf(kind, name), column, column) + "\n";
  }
  return out;
}

/// Text as it stands in a cell of a Markdown table.
std::string Cell(const std::string& text) {
  std::string out;
  for (const char c : text) out += c == '|' ? "\\|" : std::string(1, c);
  return out;
}

/// "[name](#place)": the place of a kind's section.
std::string KindLink(const std::string& kind) { return "[" + kind + "](#" + kind + ")"; }

/// The rows of a Markdown table, or "No options."
std::string OptionTable(const Json& schema, bool nested) {
  std::string rows;
  ForEachOption(schema, "", [&](const std::string& path, const Json& option, bool required) {
    if (!nested && path.find('.') != std::string::npos) return;
    const std::string kind = KindOf(ItemsOf(option) != nullptr ? *ItemsOf(option) : option);
    std::string type = Cell(TypeText(option));
    if (!kind.empty()) {
      type = (ItemsOf(option) != nullptr ? "list of " : "") + KindLink(kind);
    } else if (!nested && option.contains("properties")) {
      type = KindLink(path);
    }
    const std::string value = DefaultText(option);
    rows += "| `" + path + "` | " + type + " | " +
            (required        ? "required"
             : value.empty() ? ""
                             : "`" + Cell(value) + "`") +
            " | " + Cell(option.value("description", "")) + " |\n";
  });
  if (rows.empty()) return "No options.\n";
  return "| Option | Type | Default | What it does |\n| --- | --- | --- | --- |\n" + rows;
}

std::string KindMarkdown(const Kind& kind, const std::string& doc) {
  std::string out = "\n## " + kind.name + "\n\n";
  if (!doc.empty()) out += doc + "\n\n";
  out += "| Name | What it is |\n| --- | --- |\n";
  for (const std::string& name : AllNames(kind)) {
    out +=
        "| [" + name + "](#" + kind.name + "-" + name + ") | " + Cell(DocOf(kind, name)) + " |\n";
  }
  for (const std::string& name : AllNames(kind)) {
    out += "\n### " + kind.name + " " + name + "\n\n" + DocOf(kind, name) + "\n\n";
    if (const Alias* alias = FindAlias(kind.name, name)) {
      out += "Short for `" + StandsFor(kind, *alias) + "`; its options are those of " +
             alias->axis + " `" + alias->axis_default.at("name").get<std::string>() + "`.\n\n";
    }
    out += OptionTable(SchemaOf(kind, name), /*nested=*/true);
  }
  return out;
}

}  // namespace

std::string DescribeComponent(const std::string& kind_name, const std::string& name) {
  const Kind& kind = FindKind(kind_name);
  const std::vector<std::string> known = AllNames(kind);
  if (std::find(known.begin(), known.end(), name) == known.end()) {
    throw ConfigError(UnknownName(kind_name, name, known));
  }
  const Json schema = SchemaOf(kind, name);
  std::string out = Wrap(kind.name + " " + name + ": " + DocOf(kind, name), 2, 0) + "\n";
  std::string heading = "Options";
  if (const Alias* alias = FindAlias(kind.name, name)) {
    out += "\nShort for\n" + Indented(StandsFor(kind, *alias), 2);
    heading +=
        ", those of " + alias->axis + " " + alias->axis_default.at("name").get<std::string>();
  }
  const std::string options = ComponentHelp(schema);
  if (options.empty()) return out + "\nIt has no options.\n";
  return out + "\n" + heading + "\n" + options + "\nWritten out with its defaults\n" +
         Indented(ShowValue(WithDefaults(schema)), 2);
}

std::string ComponentHelp(const Json& schema) {
  size_t width = 0;
  ForEachOption(schema, "", [&](const std::string& path, const Json&, bool) {
    width = std::max(width, path.size());
  });
  const size_t column = 2 + width + 2;
  std::string out;
  ForEachOption(schema, "", [&](const std::string& path, const Json& option, bool required) {
    std::string line = "  " + path;
    line.resize(column, ' ');
    const std::string value = DefaultText(option);
    std::string type = TypeText(option);
    if (required) {
      type += "; required";
    } else if (!value.empty()) {
      type += "; default " + value;
    } else if (!option.contains("properties")) {
      type += "; optional";
    }
    out += line + Wrap(type, column, column) + "\n";
    const std::string doc = option.value("description", "");
    if (!doc.empty()) out += Indented(doc, column);
  });
  return out;
}

std::string ListComponents(const std::string& kind) {
  if (!kind.empty()) return NameTable(FindKind(kind), 0);
  std::string out;
  for (const auto& [name, each] : Kinds()) {
    out += (out.empty() ? "" : "\n") + name + "\n" + NameTable(each, 2);
  }
  return out;
}

std::string OptionsMarkdown(const Json& experiment_schema) {
  std::string out =
      "# Options\n\n"
      "Everything that a config file can say. Written by `flsim schema --markdown` from the "
      "declarations in the source; do not edit it.\n\n"
      "A component (a strategy, a model, ...) is given by its name, `\"fedavg\"`, or with options, "
      "`{\"name\": \"fedprox\", \"mu\": 0.1}`. A list with one item may be written as that "
      "item.\n\n"
      "## Experiment\n\n" +
      OptionTable(experiment_schema, /*nested=*/false);
  std::set<std::string> done;
  for (const auto& item : experiment_schema.at("properties").items()) {
    const Json& option = item.value();
    const std::string doc = option.value("description", "");
    if (option.contains("properties")) {
      out += "\n## " + item.key() + "\n\n" + (doc.empty() ? "" : doc + "\n\n") +
             OptionTable(option, /*nested=*/true);
    }
    const std::string kind = KindOf(ItemsOf(option) != nullptr ? *ItemsOf(option) : option);
    const auto found = Kinds().find(kind);
    if (found != Kinds().end() && done.insert(kind).second) out += KindMarkdown(found->second, doc);
  }
  for (const auto& [name, kind] : Kinds()) {
    if (done.insert(name).second) out += KindMarkdown(kind, "");
  }
  return out;
}

Json FullSchema(const Json& experiment_schema) {
  Json out = {{"$schema", "http://json-schema.org/draft-07/schema#"},
              {"title", "flsim experiment"}};
  out.update(experiment_schema);
  out["properties"]["$schema"] = {{"type", "string"},
                                  {"description", "Where editors find this schema."}};
  out["definitions"] = SchemaDefinitions();
  return out;
}

}  // namespace flsim
