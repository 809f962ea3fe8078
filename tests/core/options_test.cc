#include "engine/core/options.h"

#include <catch2/catch.hpp>

#include "engine/core/error.h"
#include "tests/core/toy.h"

namespace flsim {
namespace {

struct Inner {
  double a = 1;
  template <class V>
  void Visit(V& v) {
    v(a, "a", "A.");
  }
};

/// One field of every type.
struct Every {
  bool flag = false;
  int32_t small = 1;
  int64_t large = 2;
  uint64_t seed = 3;
  double ratio = 0.5;
  float single = 0.25f;
  std::string text = "x", kind = "one";
  std::optional<int64_t> maybe;
  std::vector<double> list = {1, 2};
  std::vector<std::string> names;
  std::vector<Inner> inners;
  Inner inner;
  template <class V>
  void Visit(V& v) {
    v(flag, "flag", "Flag.");
    v(small, "small", "Small.");
    v(large, "large", "Large.");
    v(seed, "seed", "Seed.");
    v(ratio, "ratio", "Ratio.", Inside(0, 1));
    v(single, "single", "Single.");
    v(text, "text", "Text.");
    v(kind, "kind", "Kind.", OneOf({"one", "two"}));
    v(maybe, "maybe", "Maybe.", Between(1, 10));
    v(list, "list", "List.", FromBelow(0, 5));
    v(names, "names", "Names.", OneOf({"crop", "flip"}));
    v(inners, "inners", "Inners.");
    v(inner, "inner", "Inner.");
  }
};

/// The problems of one config as one text, without the headline.
std::string ProblemsOf(const std::string& text, Every& every) {
  Problems problems;
  ReadOptions(every, ParseJson(text, "c"), "", problems);
  try {
    problems.ThrowIfAny("c");
  } catch (const ConfigError& error) {
    const std::string what = error.what();
    return what.substr(what.find('\n') + 3);
  }
  return "";
}
std::string ProblemsOf(const std::string& text) {
  Every every;
  return ProblemsOf(text, every);
}

}  // namespace

TEST_CASE("a wrong type is told with the type that is expected and the value that is there") {
  CHECK(ProblemsOf(R"({"flag": 1})") == "flag: expected boolean, got 1");
  CHECK(ProblemsOf(R"({"flag": "true"})") == "flag: expected boolean, got \"true\"");
  CHECK(ProblemsOf(R"({"small": 1.5})") == "small: expected integer, got 1.5");
  CHECK(ProblemsOf(R"({"small": 1.0})") == "small: expected integer, got 1.0");
  CHECK(ProblemsOf(R"({"large": true})") == "large: expected integer, got true");
  CHECK(ProblemsOf(R"({"large": null})") == "large: expected integer, got null");
  CHECK(ProblemsOf(R"({"ratio": "fast"})") == "ratio: expected number, got \"fast\"");
  CHECK(ProblemsOf(R"({"text": 5})") == "text: expected string, got 5");
  CHECK(ProblemsOf(R"({"inner": 5})") == "inner: expected an object, got 5");
  CHECK(ProblemsOf("[1]") == "config: expected an object, got [1]");
  CHECK(ProblemsOf(R"({"small": [1]})") == "small: expected integer, got [1]");
}

TEST_CASE("a long value is shortened in an error") {
  CHECK(ProblemsOf("{\"flag\": \"" + std::string(100, 'y') + "\"}") ==
        "flag: expected boolean, got \"" + std::string(56, 'y') + "...");
}

TEST_CASE("a value out of range is told with the bound and the value") {
  CHECK(ProblemsOf(R"({"ratio": 0})") == "ratio: must be greater than 0, got 0");
  CHECK(ProblemsOf(R"({"ratio": 1.0})") == "ratio: must be less than 1, got 1.0");
  CHECK(ProblemsOf(R"({"maybe": 0})") == "maybe: must be at least 1, got 0");
  CHECK(ProblemsOf(R"({"maybe": 11})") == "maybe: must be at most 10, got 11");
  CHECK(ProblemsOf(R"({"list": [0, -1, 5, 4.9]})") ==
        "list[1]: must be at least 0, got -1\n  list[2]: must be less than 5, got 5");
  CHECK(ProblemsOf(R"({"kind": "three"})") == "kind: must be one of one, two; got \"three\"");
  CHECK(ProblemsOf(R"({"names": ["flip", "spin"]})") ==
        "names[1]: must be one of crop, flip; got \"spin\"");
}

TEST_CASE("the bounds themselves are in range") {
  CHECK(ProblemsOf(R"({"maybe": 1, "list": [0], "ratio": 1e-300})").empty());
  CHECK(ProblemsOf(R"({"maybe": 10, "ratio": 0.9999999999999999})").empty());
}

TEST_CASE("integers are held to the exact limits of their type") {
  Every every;
  CHECK(ProblemsOf(R"({"seed": 18446744073709551615, "large": 9223372036854775807,
                       "small": -2147483648})",
                   every)
            .empty());
  CHECK(every.seed == UINT64_MAX);
  CHECK(every.large == INT64_MAX);
  CHECK(every.small == INT32_MIN);
  CHECK(ProblemsOf(R"({"large": -9223372036854775808})", every).empty());
  CHECK(every.large == INT64_MIN);

  CHECK(ProblemsOf(R"({"seed": -1})") == "seed: must be at least 0, got -1");
  CHECK(ProblemsOf(R"({"large": 9223372036854775808})") ==
        "large: must be at most 9223372036854775807, got 9223372036854775808");
  CHECK(ProblemsOf(R"({"small": 2147483648})") ==
        "small: must be at most 2147483647, got 2147483648");
  CHECK(ProblemsOf(R"({"small": -2147483649})") ==
        "small: must be at least -2147483648, got -2147483649");
  CHECK(ProblemsOf(R"({"seed": 18446744073709551616})").find("seed: expected integer") == 0);
  CHECK(ProblemsOf(R"({"large": -9223372036854775809})").find("large: expected integer") == 0);
}

TEST_CASE("an integer is a number too") {
  Every every;
  REQUIRE(ProblemsOf(R"({"single": 3, "list": [4]})", every).empty());
  CHECK(every.single == 3);
  CHECK(every.list == std::vector<double>{4});
}

TEST_CASE("an unknown key suggests the nearest option or lists them") {
  CHECK(ProblemsOf(R"({"falg": true})") == "falg: unknown option; did you mean 'flag'?");
  CHECK(ProblemsOf(R"({"inner": {"bbb": 1}})") == "inner.bbb: unknown option; known: a");
  CHECK(ProblemsOf(R"({"inners": [{"a": 1}, {"aa": 1}]})") ==
        "inners[1].aa: unknown option; did you mean 'a'?");
  CHECK(ProblemsOf(R"({"name": "x"})") == "name: unknown option; did you mean 'names'?");
}

TEST_CASE("the nearest name is within half of the typo, or begins with it, or is none") {
  const std::vector<std::string> names = {"dirichlet", "iid", "shards"};
  CHECK(Nearest("dirichlett", names) == "dirichlet");
  CHECK(Nearest("dirchlet", names) == "dirichlet");
  CHECK(Nearest("idd", names) == "iid");
  CHECK(Nearest("zzzz", names).empty());
  CHECK(Nearest("", names).empty());
  CHECK(Nearest("batch", {"lr", "batch_size"}) == "batch_size");
}

TEST_CASE("an optional field is absent until it is given") {
  Every every;
  REQUIRE(ProblemsOf("{}", every).empty());
  CHECK_FALSE(every.maybe.has_value());
  CHECK_FALSE(Writer::Write(every).contains("maybe"));
  REQUIRE(ProblemsOf(R"({"maybe": 4})", every).empty());
  CHECK(every.maybe == 4);
  CHECK(Writer::Write(every)["maybe"] == 4);
  CHECK(ProblemsOf(R"({"maybe": null})") == "maybe: expected integer, got null");
}

TEST_CASE("a lone item is a list of one") {
  Every every;
  REQUIRE(ProblemsOf(R"({"list": 3, "names": "flip", "inners": {"a": 2}})", every).empty());
  CHECK(every.list == std::vector<double>{3});
  CHECK(every.names == std::vector<std::string>{"flip"});
  REQUIRE(every.inners.size() == 1);
  CHECK(every.inners[0].a == 2);
  CHECK(ProblemsOf(R"({"list": 7})") == "list: must be less than 5, got 7");
  REQUIRE(ProblemsOf(R"({"list": []})", every).empty());
  CHECK(every.list.empty());
}

TEST_CASE("rules across fields are checked only when the fields are fine") {
  CHECK(ToyProblems(R"({"training": {"lr": 100, "batch_size": 11}})") ==
        "experiment.json has 1 problem\n  training.lr: too large for this batch_size");
  CHECK(ToyProblems(R"({"training": {"lr": 10000, "batch_size": 0}})") ==
        "experiment.json has 1 problem\n  training.batch_size: must be at least 1, got 0");
  CHECK(ToyProblems(R"({"training": {"lr": 10000, "batch": 1}})") ==
        "experiment.json has 1 problem\n  training.batch: unknown option; did you mean "
        "'batch_size'?");
}

TEST_CASE("what the writer writes the reader reads back to the same") {
  Every every;
  REQUIRE(ProblemsOf(R"({"flag": true, "seed": 18446744073709551615, "ratio": 0.1, "single": 0.1,
                         "text": "é\"\n", "kind": "two", "maybe": 3, "list": [0.3, 1e-17],
                         "names": "crop", "inners": [{"a": 0.7}, {}], "inner": {"a": 1e300}})",
                     every)
              .empty());
  const std::string written = Writer::Write(every).dump();
  Every again;
  REQUIRE(ProblemsOf(written, again).empty());
  CHECK(Writer::Write(again).dump() == written);
  CHECK(again.seed == UINT64_MAX);
  CHECK(again.single == 0.1f);
  CHECK(again.list == std::vector<double>{0.3, 1e-17});
  CHECK(again.inners[1].a == 1);
}

TEST_CASE("the schema tells types, defaults, ranges and docs") {
  Every every;
  const Json schema = Schema::Of(every);
  CHECK(schema["additionalProperties"] == false);
  const Json& fields = schema["properties"];
  CHECK(fields["flag"].dump() == R"({"type":"boolean","default":false,"description":"Flag."})");
  CHECK(fields["seed"].dump() ==
        R"({"type":"integer","default":3,"minimum":0,"description":"Seed."})");
  CHECK(fields["ratio"].dump() ==
        R"({"type":"number","default":0.5,"exclusiveMinimum":0,"exclusiveMaximum":1,)"
        R"("description":"Ratio."})");
  CHECK(fields["kind"].dump() ==
        R"({"type":"string","default":"one","enum":["one","two"],"description":"Kind."})");
  CHECK(fields["maybe"].dump() ==
        R"({"type":"integer","minimum":1,"maximum":10,"description":"Maybe."})");
  CHECK(fields["list"].dump() ==
        R"({"anyOf":[{"type":"array","items":{"type":"number","minimum":0,"exclusiveMaximum":5}},)"
        R"({"type":"number","minimum":0,"exclusiveMaximum":5}],"default":[1.0,2.0],)"
        R"("description":"List."})");
  CHECK(fields["inner"]["properties"]["a"]["type"] == "number");
  ToyExperiment experiment;
  CHECK(Schema::Of(experiment)["properties"]["toy_strategy"].dump() ==
        R"({"allOf":[{"$ref":"#/definitions/toy_strategy"}],"default":"plain",)"
        R"("description":"The algorithm."})");
}

}  // namespace flsim
