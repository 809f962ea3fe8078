#include "engine/analysis/page.h"

#include <map>

#include "engine/core/error.h"

namespace flsim {
namespace {

/// What stands for each `{{name}}` of page.html. Scripts share one scope, in this order.
std::map<std::string, std::string> Parts(const Json& data) {
  std::string script;
  for (const char* name : {"dom.js", "format.js", "theme.js", "state.js", "curves.js",
                           "heat_map.js", "clients.js", "tables.js", "main.js"}) {
    script += std::string(PageFile(name)) + "\n";
  }
  return {{"title", EscapedText(data.value("title", ""))},
          {"style", std::string(PageFile("page.css"))},
          {"data", EscapedJson(data)},
          {"chart_js", std::string(PageFile("chart.min.js"))},
          {"licence", EscapedText(PageFile("copyright"))},
          {"script", script}};
}

}  // namespace

std::string Page(const Json& data) {
  const std::map<std::string, std::string> parts = Parts(data);
  const std::string_view html = PageFile("page.html");
  std::string page;
  size_t at = 0;
  for (size_t open; (open = html.find("{{", at)) != std::string_view::npos;) {
    const size_t close = html.find("}}", open);
    FLSIM_CHECK(close != std::string_view::npos);
    const std::string name(html.substr(open + 2, close - open - 2));
    const auto part = parts.find(name);
    FLSIM_CHECK(part != parts.end(), name);
    page += html.substr(at, open - at);
    page += part->second;
    at = close + 2;
  }
  return page + std::string(html.substr(at));
}

std::string EscapedJson(const Json& data) {
  const std::string json = data.dump(-1, ' ', false, Json::error_handler_t::replace);
  std::string escaped;
  escaped.reserve(json.size());
  // These three stand in no JSON but inside of its strings.
  for (const char c : json) {
    switch (c) {
      case '<':
        escaped += "\\u003c";
        break;
      case '>':
        escaped += "\\u003e";
        break;
      case '&':
        escaped += "\\u0026";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

std::string EscapedText(std::string_view text) {
  // By way of JSON, which replaces what is not UTF-8; control characters are not allowed in XML.
  const std::string valid =
      Json::parse(Json(std::string(text)).dump(-1, ' ', false, Json::error_handler_t::replace));
  std::string escaped;
  for (const char c : valid) {
    switch (c) {
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '&':
        escaped += "&amp;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        escaped += static_cast<unsigned char>(c) < ' ' && c != '\n' && c != '\t' ? ' ' : c;
    }
  }
  return escaped;
}

}  // namespace flsim
