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

TEST_CASE("a component's setting is its name, however it is written") {
  const Json config = {{"model", "lenet"}, {"strategy", {{"name", "fedprox"}, {"mu", 0.1}}}};
  for (const char* path : {"strategy", "strategy.name"})
    CHECK(SettingAt(config, path) == "fedprox");
  for (const char* path : {"model", "model.name"}) CHECK(SettingAt(config, path) == "lenet");
  CHECK(SettingAt(config, "strategy.mu") == 0.1);
  for (const char* path : {"model.width", "sampler", "strategy.mu.name"})
    CHECK(SettingAt(config, path).is_null());
}

}  // namespace
}  // namespace flsim
