#include <catch2/catch.hpp>

#include "tests/strategies/sampling_round.h"

namespace flsim::sampling {
namespace {

TEST_CASE("the file sampler takes the cohorts of its file, in increasing order") {
  const ListedCohorts file("[[4, 0, 7], [], [2]]");
  const Clients clients(8, 1);
  const auto once = BuildComponent<Sampler>(file.options());
  CHECK(once->CohortSize(8) == 0);
  CHECK(once->Sample(Round(*once, clients, 1)) == Cohort{0, 4, 7});
  CHECK(once->Sample(Round(*once, clients, 2)).empty());
  CHECK(once->Sample(Round(*once, clients, 3)) == Cohort{2});
  // An experiment of more rounds is refused before it begins.
  CHECK(file.WithoutFolder(ErrorOf<ConfigError>([&] {
    BuildComponent<Sampler>(file.options(), {/*rounds=*/4});
  })) == "sampler.path: cohorts.json: it has lists for 3 rounds, the experiment has 4; set "
         "sampler.repeat to begin again");
  CHECK_NOTHROW(BuildComponent<Sampler>(file.options(true), {/*rounds=*/4}));
  const auto repeating = BuildComponent<Sampler>(file.options(true));
  CHECK(repeating->Sample(Round(*repeating, clients, 4)) == Cohort{0, 4, 7});
  CHECK(repeating->Sample(Round(*repeating, clients, 3000003)) == Cohort{2});
}

TEST_CASE("what is wrong with a file of cohorts is told with file, round and value") {
  CHECK(WhyRefused<Sampler>("file") ==
        "test.json has 1 problem\n  sampler.path: missing; name a JSON file with a list of client "
        "ids for each round");
  const auto why = [](const std::string& text) { return ListedCohorts(text).WhyRefused(); };
  const std::string start = "sampler.path: cohorts.json: ";
  CHECK(why("{}") == start + "expected a list with a list of client ids for each round, got {}");
  CHECK(why("[]") == start + "expected a list with a list of client ids for each round, got []");
  CHECK(why("[[1], 2]") == start + "round 2: expected a list of client ids, got 2");
  CHECK(why("[[1], [2, -3]]") ==
        start + "round 2: expected a client id (an integer, at least 0), got -3");
  CHECK(why("[[1.5]]") ==
        start + "round 1: expected a client id (an integer, at least 0), got 1.5");
  CHECK(why("[[18446744073709551615]]") ==
        start + "round 1: expected a client id (an integer, at least 0), got 18446744073709551615");
  CHECK(why("[[0], [5, 3, 5]]") == start + "round 2: client 5 stands twice");
  CHECK(why("[[0], [1,").find("sampler.path: cohorts.json is not valid JSON: line 1, column ") ==
        0);
  CHECK(WhyRefused<Sampler>({{"name", "file"}, {"path", "no_such_file.json"}}) ==
        "sampler.path: no_such_file.json can't be read: no such file, or no permission");

  const ListedCohorts file("[[0], [3, 9, 4]]");
  const auto sampler = BuildComponent<Sampler>(file.options());
  CHECK(PopulationProblem(*sampler, 10).empty());
  CHECK(file.WithoutFolder(PopulationProblem(*sampler, 9)) ==
        "test.json has 1 problem\n  sampler.path: cohorts.json: round 2: client 9 must be at most "
        "8 (the partition has 9 clients)");
}

}  // namespace
}  // namespace flsim::sampling
