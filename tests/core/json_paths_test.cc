#include "engine/core/json_paths.h"

#include <catch2/catch.hpp>

namespace flsim {
namespace {

TEST_CASE("values are found by their dotted path, and the paths of all are listed") {
  const Json json = Json::parse(R"({"a": {"b": {"c": 1}, "d": [{"e": 2}]}, "f": null, "g": {}})");
  CHECK(FindAtPath(json, "a.b.c") == &json["a"]["b"]["c"]);
  CHECK(FindAtPath(json, "a") == &json["a"]);
  CHECK(FindAtPath(json, "f") == &json["f"]);
  for (const char* nowhere : {"", ".", "a.", ".a", "a.c", "a.b.c.d", "f.g", "a.d.e", "h"}) {
    CAPTURE(nowhere);
    CHECK(FindAtPath(json, nowhere) == nullptr);
  }
  CHECK(LeafPaths(json) == std::vector<std::string>{"a.b.c", "a.d", "f"});
}

}  // namespace
}  // namespace flsim
