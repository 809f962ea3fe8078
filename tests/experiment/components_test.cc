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

/// A network with layers that can stay with a client, norms among them.
Json LayeredModel() {
  return Json::parse(R"({"name": "sequential", "layers": [
    {"name": "conv", "channels": 4, "kernel": 5, "stride": 3}, {"name": "group_norm", "groups": 2},
    "relu", "flatten", {"name": "linear", "features": 8}, "relu", "linear"]})");
}

/// An experiment that a component of this kind and name can take part in, with the options it can't
/// do without.
Json ExperimentWith(const std::string& kind, const std::string& name, const std::string& folder) {
  const Json small_images = SmallImages(folder);
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
  // Large enough for every rule's default number of malicious clients.
  const Json everyone = With(SmallRegression(), {{"sampler.cohort", 12}});
  if (kind == "aggregator") return With(everyone, {{"aggregator", component}});
  if (kind == "pre_aggregation")
    return With(everyone,
                {{"aggregator", "median"}, {"pre_aggregation", Json::array({component})}});
  if (kind == "schedule")
    return With(SmallRegression(),
                {{"training.lr_schedule", component}, {"server_lr_schedule", component}});
  if (kind == "sampler" && name == "file") {
    WriteFileAtomically(folder + "/cohorts.json", "[[1, 2, 5], [0, 11], [3, 4, 6]]");
    component["path"] = folder + "/cohorts.json";
  }
  const bool layered = name == "fedper" || name == "fedrep" || name == "fedbabu" ||
                       name == "fedbn" || name == "moon";
  if (kind == "strategy" && layered)
    return With(small_images, {{"model", LayeredModel()}, {"strategy", component}});
  return With(SmallRegression(), {{kind, component}});
}

/// Where a component stands in its experiment.
std::string PathOf(const std::string& kind) {
  if (kind == "pre_aggregation") return "pre_aggregation[0]";
  return kind == "schedule" ? "server_lr_schedule" : kind;
}

bool NeedsPartitionFile(const std::string& kind, const std::string& name) {
  return kind == "partition" && name == "file";  // partition_file_test, cli_test
}

TEST_CASE(
    "every component survives two rounds, round-trips its options and refuses an unknown one") {
  const TempFolder data;
  WriteTinyCifar(data.path(), 12);
  int components = 0;
  for (const auto& [kind_name, kind] : Kinds()) {
    for (const std::string& name : kind.names()) {
      if (NeedsPartitionFile(kind_name, name)) continue;
      INFO(kind_name << " " << name);
      const Json json =
          With(ExperimentWith(kind_name, name, data.path().string()), {{"rounds", 2}});
      const RunResult result = RunOnce(json);
      CHECK(result.summary.status == "completed");
      CHECK(result.state.round == 2);

      const Json resolved = Experiment(json, "test.json").resolved();
      CHECK(Experiment(resolved, "test.json").resolved() == resolved);
      if (kind_name != "layer") {
        const std::string path = PathOf(kind_name);
        Json wrong = json;
        if (kind_name == "pre_aggregation") {
          wrong["pre_aggregation"][0]["no_such_option"] = 1;
        } else {
          SetAtPath(wrong, path + ".no_such_option", 1);
        }
        CHECK(ProblemsOf(wrong).find(path + ".no_such_option: unknown option") !=
              std::string::npos);
      }
      ++components;
    }
  }
  CHECK(components >= 75);
}

TEST_CASE(
    "every component of an algorithm gives the same bits on 1 and 3 workers, and when it is "
    "stopped and resumed") {
  const TempFolder data;
  WriteTinyCifar(data.path(), 12);
  for (const char* kind :
       {"strategy", "aggregator", "pre_aggregation", "server_optimizer", "sampler", "schedule"}) {
    for (const std::string& name : Kinds().at(kind).names()) {
      INFO(kind << " " << name);
      const Json json =
          With(ExperimentWith(kind, name, data.path().string()),
               {{"rounds", 3}, {"evaluation.every", 1}, {"runtime.client_state_mb", 0}});
      const TempFolder folder;
      // The number of rounds is part of a cosine schedule's meaning.
      const RunResult whole = RunIn(folder / "one", With(json, {{"runtime.workers", 1}}));
      const RunResult many = RunIn(folder / "three", With(json, {{"runtime.workers", 3}}));
      CHECK(SameBits(whole.state.parameters, many.state.parameters));
      CHECK(RoundsWithoutTimes(folder / "one") == RoundsWithoutTimes(folder / "three"));

      Json part = Experiment(json, "test.json").resolved();
      RunIn(folder / "parts", With(part, {{"rounds", 1}}));
      const RunResult resumed = RunIn(folder / "parts", part, ExistingRun::kResume);
      CHECK(resumed.first_round == 1);
      CHECK(SameBits(whole.state.parameters, resumed.state.parameters));
      CHECK(whole.state.tensors.size() == resumed.state.tensors.size());
      for (const auto& [key, tensor] : whole.state.tensors) {
        INFO(key);
        CHECK(SameBits(tensor, resumed.state.tensors.at(key)));
      }
      CHECK(RoundsWithoutTimes(folder / "one") == RoundsWithoutTimes(folder / "parts"));
    }
  }
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
