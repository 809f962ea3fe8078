#include "engine/analysis/labels.h"

#include <catch2/catch.hpp>

namespace flsim {
namespace {

using Labels = std::vector<std::string>;

Labels Short(const Labels& labels) {
  std::vector<RunGroup> groups;
  for (const std::string& label : labels) groups.push_back({label, {}});
  return ShortLabels(groups);
}

TEST_CASE("a short label leaves out what most groups have") {
  CHECK(Short({"strategy=fedavg, aggregator=mean, training.lr=0.1",
               "strategy=fedprox, aggregator=mean, training.lr=0.1",
               "strategy=fedavg, aggregator=krum, training.lr=0.1"}) ==
        Labels{"strategy=fedavg", "strategy=fedprox", "strategy=fedavg, aggregator=krum"});
  CHECK(Short({"training.lr=0.1", "training.lr=1.0"}) ==
        Labels{"training.lr=0.1", "training.lr=1.0"});
}

TEST_CASE("labels that would be alike stay whole") {
  CHECK(Short({"a=1, b=1", "a=1", "a=2, b=1", "a=3, b=1"}) ==
        Labels{"a=1, b=1", "a=1", "a=2", "a=3"});
  CHECK(Short({"all"}) == Labels{"all"});
}

TEST_CASE("a comma in a value does not divide it") {
  CHECK(Short({"name=a, b, lr=1", "name=c, lr=1", "name=d, lr=1"}) ==
        Labels{"name=a, b", "name=c", "name=d"});
}

}  // namespace
}  // namespace flsim
