#include "engine/core/registry.h"

#include <catch2/catch.hpp>

#include "tests/core/toy.h"
#include "tests/temp_folder.h"

namespace flsim {

TEST_CASE("all problems of a config come in one text, in the order of the file") {
  CHECK(ToyProblems(R"({"toy_strategy": {"name": "proximal", "muu": 1},
                        "training": {"batch_size": 0}, "toy_optimizer": "sgdd"})") ==
        "experiment.json has 3 problems\n"
        "  toy_strategy.muu: unknown option; did you mean 'mu'?\n"
        "  training.batch_size: must be at least 1, got 0\n"
        "  toy_optimizer: unknown toy_optimizer 'sgdd'; known: sgd; did you mean 'sgd'?");
  CHECK(ToyProblems(R"({"toy_optimizer": "sgdd", "trainin": {}, "training": {"lr": 0},
                        "toy_strategy": {"muu": 1, "name": "proximal", "mu": -1}})") ==
        "experiment.json has 5 problems\n"
        "  toy_optimizer: unknown toy_optimizer 'sgdd'; known: sgd; did you mean 'sgd'?\n"
        "  trainin: unknown option; did you mean 'training'?\n"
        "  training.lr: must be greater than 0, got 0\n"
        "  toy_strategy.muu: unknown option; did you mean 'mu'?\n"
        "  toy_strategy.mu: must be at least 0, got -1");
}

TEST_CASE("an empty config is the defaults") {
  ToyExperiment experiment;
  REQUIRE(ToyProblems("{}", experiment).empty());
  CHECK(
      Writer::Write(experiment).dump() ==
      R"({"toy_strategy":{"name":"plain"},"toy_optimizer":{"name":"sgd","lr":1.0,"momentum":0.0},)"
      R"("training":{"batch_size":32,"lr":0.1}})");
  CHECK(experiment.toy_strategy.Make({7})->Value() == 7);
}

TEST_CASE("a component is built from its name or from an object, with its options and context") {
  ToyExperiment experiment;
  REQUIRE(ToyProblems(R"({"toy_strategy": {"name": "proximal", "mu": 0.5}})", experiment).empty());
  CHECK(experiment.toy_strategy.Make({3})->Value() == 1.5);
  CHECK(experiment.toy_strategy.resolved.dump() == R"({"name":"proximal","mu":0.5})");
  REQUIRE(ToyProblems(R"({"toy_strategy": "proximal"})", experiment).empty());
  CHECK(experiment.toy_strategy.Make({1})->Value() == 0.01);
}

TEST_CASE("a component that isn't one says what is expected, aliases among the known names") {
  CHECK(ToyProblems(R"({"toy_strategy": "nope"})") ==
        "experiment.json has 1 problem\n"
        "  toy_strategy: unknown toy_strategy 'nope'; known: momentum, plain, proximal");
  CHECK(ToyProblems(R"({"toy_strategy": {"name": 3}})") ==
        "experiment.json has 1 problem\n"
        "  toy_strategy: needs a \"name\"; known: momentum, plain, proximal");
  CHECK(ToyProblems(R"({"toy_strategy": 5})") ==
        "experiment.json has 1 problem\n"
        "  toy_strategy: expected a name or an object with a name, got 5");
  CHECK(ToyProblems(R"({"toy_strategy": {"name": "plain", "mu": 1}})") ==
        "experiment.json has 1 problem\n"
        "  toy_strategy.mu: unknown option; plain has no options");
}

TEST_CASE("a mistyped component or alias is told its nearest name, and all names") {
  CHECK(ToyProblems(R"({"toy_strategy": "proximle"})") ==
        "experiment.json has 1 problem\n"
        "  toy_strategy: unknown toy_strategy 'proximle'; known: momentum, plain, proximal; "
        "did you mean 'proximal'?");
  CHECK(ToyProblems(R"({"toy_strategy": {"name": "momentun", "lr": 1}})") ==
        "experiment.json has 1 problem\n"
        "  toy_strategy: unknown toy_strategy 'momentun'; known: momentum, plain, proximal; "
        "did you mean 'momentum'?");
}

TEST_CASE("options without a name are the default's, and a problem where there is no default") {
  ToyExperiment experiment;
  REQUIRE(ToyProblems(R"({"toy_optimizer": {"lr": 3}})", experiment).empty());
  CHECK(experiment.toy_optimizer.Make({})->Lr() == 3);
  Choice<ToyOptimizer> none;
  Problems problems;
  none.Bind({{"lr", 3}}, "toy_optimizer", problems);
  CHECK_FALSE(none.make);
  CHECK(ErrorOf<ConfigError>([&] { problems.ThrowIfAny("a.json"); }) ==
        "a.json has 1 problem\n  toy_optimizer: needs a \"name\"; known: sgd");
}

TEST_CASE("an alias is its component with one axis replaced") {
  ToyExperiment experiment;
  REQUIRE(ToyProblems(R"({"toy_strategy": "momentum"})", experiment).empty());
  CHECK(experiment.toy_strategy.name == "plain");
  CHECK(experiment.toy_optimizer.resolved.dump() == R"({"name":"sgd","lr":1.0,"momentum":0.9})");
  REQUIRE(ToyProblems(R"({"toy_strategy": {"name": "momentum", "lr": 0.5, "momentum": 0.1}})",
                      experiment)
              .empty());
  CHECK(experiment.toy_optimizer.resolved.dump() == R"({"name":"sgd","lr":0.5,"momentum":0.1})");
  CHECK(experiment.toy_optimizer.Make({})->Lr() == 0.5);
}

TEST_CASE("a problem of an alias's option is told under the path that the user wrote") {
  CHECK(ToyProblems(R"({"toy_strategy": {"name": "momentum", "lr": 0, "momentun": 1}})") ==
        "experiment.json has 2 problems\n"
        "  toy_strategy.lr: must be greater than 0, got 0\n"
        "  toy_strategy.momentun: unknown option; did you mean 'momentum'?");
}

TEST_CASE("an alias and the axis that it chooses can't both be given") {
  CHECK(ToyProblems(R"({"toy_strategy": "momentum", "toy_optimizer": "sgd"})") ==
        "experiment.json has 1 problem\n"
        "  toy_optimizer: is already chosen by toy_strategy 'momentum'; leave it "
        "out, or use toy_strategy 'plain'");
}

TEST_CASE("kinds list their names, docs, schemas and aliases") {
  const Kind& kind = Kinds().at("toy_strategy");
  CHECK(kind.name == "toy_strategy");
  CHECK(kind.names() == std::vector<std::string>{"plain", "proximal"});
  CHECK(kind.doc("proximal") == "A proximal term.");
  REQUIRE(kind.aliases.size() == 1);
  CHECK(FindAlias("toy_strategy", "momentum") == &kind.aliases[0]);
  CHECK(FindAlias("toy_strategy", "plain") == nullptr);
  CHECK(FindAlias("no_kind", "plain") == nullptr);
  CHECK(kind.schema("proximal").dump() ==
        R"({"type":"object","description":"A proximal term.","properties":{"name":{"const":)"
        R"("proximal"},"mu":{"type":"number","default":0.01,"minimum":0,"description":"Weight of )"
        R"(the proximal term; 0 gives plain."}},"additionalProperties":false})");
}

TEST_CASE("the schema of an alias has its axis's options with the alias's defaults") {
  const Json schema = AliasSchema(*FindAlias("toy_strategy", "momentum"));
  CHECK(schema["properties"]["name"]["const"] == "momentum");
  CHECK(schema["properties"]["momentum"]["default"] == 0.9);
  CHECK(schema["properties"]["lr"]["default"] == 1);
  CHECK(schema["description"] == "plain with toy_optimizer sgd");
}

TEST_CASE("a kind's definition takes a name alone, a component or an alias") {
  const Json definition = SchemaDefinitions()["toy_strategy"]["anyOf"];
  REQUIRE(definition.size() == 4);
  CHECK(definition[0]["enum"].dump() == R"(["plain","proximal","momentum"])");
  CHECK(definition[1]["properties"]["name"]["const"] == "plain");
  CHECK(definition[3]["properties"]["name"]["const"] == "momentum");
}

TEST_CASE("a name can't be registered twice") {
  CHECK(ErrorOf<InternalError>([] {
          AddAlias("toy_strategy", Alias{"momentum", "plain", "toy_optimizer", {}, ""});
        }).find("registered twice: momentum") != std::string::npos);
  CHECK(Kinds().at("toy_strategy").aliases.size() == 1);
}

}  // namespace flsim
