#include <algorithm>
#include <catch2/catch.hpp>

#include "datasets/partition.h"

namespace flsim {
namespace {

std::vector<int64_t> Members(const Partition& partition, int64_t client) {
  return {partition.begin(client), partition.begin(client) + partition.size(client)};
}

TEST_CASE("each client's examples are split into training and held-out ones, none lost or shared") {
  const Partition partition{{0, 1, 3, 13, 113}, [] {
                              std::vector<int64_t> indices;
                              for (int64_t i = 0; i < 113; ++i) indices.push_back(3 * i);
                              return indices;
                            }()};
  const auto [training, held_out] = HoldOut(partition, 0.25, 1);
  REQUIRE(training.clients() == 4);
  REQUIRE(held_out.clients() == 4);
  const std::vector<int64_t> expected = {0, 0, 2, 25};  // floor(size / 4)
  for (int64_t client = 0; client < 4; ++client) {
    CHECK(held_out.size(client) == expected[static_cast<size_t>(client)]);
    std::vector<int64_t> both = Members(training, client), held = Members(held_out, client);
    CHECK(std::is_sorted(both.begin(), both.end()));
    CHECK(std::is_sorted(held.begin(), held.end()));
    both.insert(both.end(), held.begin(), held.end());
    std::sort(both.begin(), both.end());
    CHECK(both == Members(partition, client));
  }
  // Drawn, not cut off: a quarter of a hundred consecutive examples is not their first 25.
  CHECK(Members(held_out, 3).back() > 3 * (13 + 25));
  CHECK(HoldOut(partition, 0.25, 1).second.indices == held_out.indices);
  CHECK(HoldOut(partition, 0.25, 2).second.indices != held_out.indices);
}

TEST_CASE("a client trains on at least one example, whatever is held out") {
  const auto [training, held_out] = HoldOut({{0, 1, 3}, {4, 5, 6}}, 0.99, 1);
  CHECK(training.size(0) == 1);
  CHECK(training.size(1) == 1);
  CHECK(held_out.size(1) == 1);
}

}  // namespace
}  // namespace flsim
