// The contract of every component, whoever wrote it: these tests walk the registry.
#include <catch2/catch.hpp>

#include "tests/datasets/tiny_cifar.h"
#include "tests/experiment/run_json.h"

namespace flsim {
namespace {

/// The problems of an experiment's JSON, one string.
std::string ProblemsOf(const Json& json) {
  return ErrorOf<ConfigError>([&] { Experiment(json, "test.json"); });
}

/// An experiment that a component of this kind and name can take part in, with the options it can't
/// do without.
Json ExperimentWith(const std::string& kind, const std::string& name, const std::string& images) {
  const Json small_images = SmallImages(images);
  Json component = {{"name", name}};
  if (kind == "model") {
    if (name == "linear") return With(SmallRegression(), {{"model", component}});
    if (name == "sequential") component["layers"] = {"flatten", "linear"};
    if (name == "resnet18")
      return With(small_images,
                  {{"model", component}, {"sampler.cohort", 2}, {"partition.clients", 20}});
    return With(small_images, {{"model", component}});
  }
  if (kind == "dataset")
    return name == "cifar10" ? small_images : With(SmallRegression(), {{"dataset", component}});
  if (kind == "partition") {
    component["clients"] = 12;
    return With(SmallRegression(), {{"partition", component}});
  }
  if (kind == "layer") {
    const Json layers =
        name == "linear" || name == "conv" || name == "flatten"
            ? Json::array({Json{{"name", "conv"}, {"channels", 2}}, "flatten", "linear"})
            : Json::array(
                  {Json{{"name", "conv"}, {"channels", 2}}, component, "flatten", "linear"});
    return With(small_images, {{"model", {{"name", "sequential"}, {"layers", layers}}}});
  }
  return With(SmallRegression(), {{kind, component}});
}

TEST_CASE(
    "every component survives two rounds, round-trips its options and refuses an unknown one") {
  const TempFolder data;
  WriteTinyCifar(data.path(), 12);
  int components = 0;
  for (const auto& [kind_name, kind] : Kinds()) {
    for (const std::string& name : kind.names()) {
      if (kind_name == "partition" && name == "file")
        continue;  // needs a file: partition_file_test, cli_test
      INFO(kind_name << " " << name);
      const Json json =
          With(ExperimentWith(kind_name, name, data.path().string()), {{"rounds", 2}});
      const RunResult result = RunOnce(json);
      CHECK(result.summary.status == "completed");
      CHECK(result.state.round == 2);

      const Json resolved = Experiment(json, "test.json").resolved();
      CHECK(Experiment(resolved, "test.json").resolved() == resolved);
      if (kind_name != "layer") {
        CHECK(ProblemsOf(With(json, {{kind_name + ".no_such_option", 1}}))
                  .find(kind_name + ".no_such_option: unknown option") != std::string::npos);
      }
      ++components;
    }
  }
  CHECK(components >= 32);
}

TEST_CASE("every component and every option has a doc") {
  for (const auto& [kind_name, kind] : Kinds()) {
    for (const std::string& name : kind.names()) {
      CHECK(kind.doc(name).size() > 5);
      const Json schema = kind.schema(name);
      for (const auto& option : schema.at("properties").items()) {
        if (option.key() == "name") continue;
        INFO(kind_name << " " << name << "." << option.key());
        CHECK(option.value().at("description").get<std::string>().size() > 5);
      }
    }
  }
}

TEST_CASE("every alias builds, and what it stands for is in the resolved config") {
  for (const auto& [kind_name, kind] : Kinds()) {
    for (const Alias& alias : kind.aliases) {
      INFO(alias.name);
      const Experiment experiment(With(SmallRegression(), {{kind_name, alias.name}}), "test.json");
      CHECK(experiment.resolved().at(kind_name).at("name") == alias.component);
      for (const auto& item : alias.axis_default.items()) {
        CHECK(experiment.resolved().at(alias.axis).at(item.key()) == item.value());
      }
    }
  }
}

}  // namespace
}  // namespace flsim
