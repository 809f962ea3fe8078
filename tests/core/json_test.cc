#include "engine/core/json.h"

#include <catch2/catch.hpp>
#include <fstream>

#include "engine/core/error.h"
#include "tests/temp_folder.h"

namespace flsim {
namespace {

std::string ParseError(const std::string& text) {
  return ErrorOf<ConfigError>([&] { ParseJson(text, "a.json"); });
}

std::string SetError(const std::string& config, const std::string& assignment) {
  Json json = Json::parse(config);
  return ErrorOf<ConfigError>([&] { ApplyOverride(json, assignment); });
}

std::string Patched(const std::string& config, const std::string& assignment) {
  Json json = Json::parse(config);
  ApplyOverride(json, assignment);
  return json.dump();
}

}  // namespace

TEST_CASE("a syntax error tells file, line and column") {
  CHECK(ParseError("{\n  \"a\": 1,\n  \"b\": ?\n}")
            .rfind("a.json is not valid JSON: line 3, column 8: syntax error", 0) == 0);
  CHECK(ParseError("x").rfind("a.json is not valid JSON: line 1, column 1: ", 0) == 0);
  CHECK(ParseError("{\"a\": 1 \"b\": 2}").rfind("a.json is not valid JSON: line 1, column ", 0) ==
        0);
}

TEST_CASE("everything that is not strict JSON is refused") {
  for (const char* text : {"",
                           " ",
                           "{",
                           "[1,",
                           "{\"a\": 1,}",
                           "{'a': 1}",
                           "{a: 1}",
                           "{\"a\": 01}",
                           "{\"a\": +1}",
                           "{\"a\": NaN}",
                           "{\"a\": Infinity}",
                           "{\"a\": 1} x",
                           "{\"a\": 1}{}",
                           "{\"a\": 1 // c\n}",
                           "\"\x80\"",
                           "\"\\u12\"",
                           "\"\\ud800\"",
                           "\"tab\there\"",
                           "{\"a\": 1e999}",
                           "{\"a\"}",
                           "nul"}) {
    INFO(text);
    CHECK(ParseError(text).rfind("a.json is not valid JSON: ", 0) == 0);
  }
}

TEST_CASE("every key that stands twice is named with its path") {
  CHECK(ParseError(R"({"a": 1, "b": {"c": [{"d": 1}, {"d": 1, "d": 2}], "c": 3}, "a": 2})") ==
        "a.json has duplicate keys\n"
        "  b.c[1].d: stands twice in one object\n"
        "  b.c: stands twice in one object\n"
        "  a: stands twice in one object");
  CHECK(ParseError(R"({"a": {"x": 1}, "b": {"x": 1}, "c": [{"x": 1}, {"x": 1}]})").empty());
}

TEST_CASE("nesting is allowed to 64 levels and refused beyond") {
  const auto nested = [](int n) { return std::string(n, '[') + std::string(n, ']'); };
  CHECK(ParseError(nested(64)).empty());
  CHECK(ParseError(nested(66)) == "a.json is nested more than 64 levels deep");
  CHECK(ParseError(nested(200000)) == "a.json is nested more than 64 levels deep");
  CHECK(ParseError(std::string(200000, '[')).find("a.json") == 0);
}

TEST_CASE("numbers keep all their 64 bits") {
  const Json json = ParseJson("[18446744073709551615, -9223372036854775808, 9007199254740993]", "");
  CHECK(json[0].get<uint64_t>() == UINT64_MAX);
  CHECK(json[1].get<int64_t>() == INT64_MIN);
  CHECK(json[2].get<int64_t>() == 9007199254740993);
}

TEST_CASE("a config file that can't be read is the user's error and is named") {
  const TempFolder folder;
  CHECK(ErrorOf<ConfigError>([&] { ReadJsonFile(folder / "no.json"); }) ==
        folder / "no.json" + " can't be read: no such file, or no permission");
  CHECK(ErrorOf<ConfigError>([&] { ReadJsonFile(folder.path().string()); }) ==
        folder.path().string() + " can't be read: it is a folder");
  std::ofstream(folder / "empty.json");
  CHECK(ErrorOf<ConfigError>([&] {
          ReadJsonFile(folder / "empty.json");
        }).find(folder / "empty.json" + " is not valid JSON: line 1, column 1: ") == 0);
  std::ofstream(folder / "good.json") << "{\"a\": [1]}";
  CHECK(ReadJsonFile(folder / "good.json").dump() == "{\"a\":[1]}");
}

TEST_CASE("an override replaces, adds and makes the objects on its way") {
  CHECK(Patched(R"({"a":{"b":1}})", "a.b=2") == R"({"a":{"b":2}})");
  CHECK(Patched(R"({"a":1})", "b.c.d=true") == R"({"a":1,"b":{"c":{"d":true}}})");
  CHECK(Patched(R"({})", "a=[1, {\"x\": null}]") == R"({"a":[1,{"x":null}]})");
  CHECK(Patched(R"({"a":[{"b":[1,2]},3]})", "a[0].b[1]=5") == R"({"a":[{"b":[1,5]},3]})");
  CHECK(Patched(R"({"a":[[1,2],[3,4]]})", "a[1][0]=9") == R"({"a":[[1,2],[9,4]]})");
}

TEST_CASE("an override's value is JSON, or else a string") {
  CHECK(Patched("{}", "a=1e-3") == R"({"a":0.001})");
  CHECK(Patched("{}", "a=fedprox") == R"({"a":"fedprox"})");
  CHECK(Patched("{}", "a=") == R"({"a":""})");
  CHECK(Patched("{}", "a=b=c") == R"({"a":"b=c"})");
  CHECK(Patched("{}", "a=runs/1.5") == R"({"a":"runs/1.5"})");
}

TEST_CASE("an override below a component's name makes it an object") {
  CHECK(Patched(R"({"strategy":"fedprox"})", "strategy.mu=1") ==
        R"({"strategy":{"name":"fedprox","mu":1}})");
  CHECK(Patched(R"({"layers":["relu","conv"]})", "layers[1].kernel=5") ==
        R"({"layers":["relu",{"name":"conv","kernel":5}]})");
}

TEST_CASE("a malformed override says what is wrong with it") {
  CHECK(SetError("{}", "a") == "--set a: expected KEY=VALUE, such as training.lr=0.1");
  CHECK(SetError("{}", "=1") == "--set =1: expected KEY=VALUE, such as training.lr=0.1");
  CHECK(SetError("{}", "a..b=1") == "--set a..b: a key is empty");
  CHECK(SetError("{}", "a.=1") == "--set a.: a key is empty");
  CHECK(SetError("{}", ".a=1") == "--set .a: a key is empty");
  CHECK(SetError("{}", "[0]=1") == "--set [0]: a key is empty");
  CHECK(SetError("[1]", "a=1") == "--set a: the config is not an object");
  CHECK(SetError(R"({"a":1})", "a.b=1") == "--set a.b: a is not an object");
  CHECK(SetError(R"({"a":[1]})", "a.b=1") == "--set a.b: a is not an object");
  CHECK(SetError(R"({"a":[1]})", "a[1]=1") == "--set a[1]: a has no item 1");
  CHECK(SetError(R"({"a":1})", "a[0]=1") == "--set a[0]: a has no item 0");
  CHECK(SetError(R"({"a":[[1]]})", "a[0][1]=1") == "--set a[0][1]: a[0] has no item 1");
  for (const char* key : {"a[]", "a[x]", "a[-1]", "a[0", "a[0]x", "a[12345678901]"}) {
    CHECK(SetError(R"({"a":[1]})", std::string(key) + "=1")
              .find(std::string("--set ") + key + ": expected a position such as [0] after a") ==
          0);
  }
  CHECK(SetError("{}", "a={\"x\":1,\"x\":2}") ==
        "--set a has duplicate keys\n  x: stands twice in one object");
  CHECK(SetError("{}", "a=" + std::string(100, '[') + std::string(100, ']')) ==
        "--set a is nested more than 64 levels deep");
}

TEST_CASE("numbers are shown as a person writes them") {
  CHECK(ShowNumber(1) == "1");
  CHECK(ShowNumber(0.1) == "0.1");
  CHECK(ShowNumber(-2.5) == "-2.5");
  CHECK(ShowNumber(4294967295.0) == "4294967295");
  CHECK(ShowNumber(1e-5) == "1e-05");
}

}  // namespace flsim
