#include "engine/round/client_store.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <map>
#include <set>

#include "engine/core/error.h"
#include "engine/core/rng.h"
#include "tests/temp_folder.h"

namespace flsim {
namespace {

constexpr int64_t kPopulation = 100000;

/// What a client's vectors hold after its `rounds`-th round, so that every value can be told.
float Value(int64_t client, int64_t rounds, int64_t vector, int64_t i) {
  return static_cast<float>(client * 8 + rounds) + static_cast<float>(vector) * 0.25f +
         static_cast<float>(i % 16) * 0.015625f;
}

/// A store beside a plain record of how many rounds each client has done.
struct Pair {
  explicit Pair(std::vector<int64_t> sizes, int64_t budget, const std::string& file)
      : sizes(sizes), store(std::move(sizes), budget, file) {}

  void Round(const std::vector<int64_t>& cohort, bool commit) {
    store.Begin(cohort);
    for (const int64_t client : cohort) {
      const auto known = rounds.find(client);
      const int64_t done = known == rounds.end() ? 0 : known->second;
      CHECK(store.Has(client) == (done > 0));
      const auto state = store.Open(client);
      for (size_t v = 0; v < sizes.size(); ++v) {
        REQUIRE(state[v].numel() == sizes[v]);
        auto* data = state[v].data_ptr<float>();
        for (int64_t i = 0; i < sizes[v]; ++i) {
          const float expected = done > 0 ? Value(client, done, static_cast<int64_t>(v), i) : 0.0f;
          if (data[i] != expected) FAIL("client " << client << " opens with other values");
          data[i] = Value(client, done + 1, static_cast<int64_t>(v), i);
        }
      }
    }
    if (!commit) return store.Abandon();
    store.Commit();
    for (const int64_t client : cohort) ++rounds[client];
  }

  void CheckAll() const {
    CHECK(store.clients() == static_cast<int64_t>(rounds.size()));
    for (const auto& [client, done] : rounds) {
      const auto state = store.Read(client);
      REQUIRE(state.size() == sizes.size());
      for (size_t v = 0; v < sizes.size(); ++v) {
        for (int64_t i = 0; i < sizes[v]; ++i) {
          if (state[v].const_data_ptr<float>()[i] !=
              Value(client, done, static_cast<int64_t>(v), i)) {
            FAIL("client " << client << " has lost its state");
          }
        }
      }
    }
  }

  std::vector<int64_t> sizes;
  ClientStore store;
  std::map<int64_t, int64_t> rounds;
};

std::vector<int64_t> RandomCohort(Rng& rng, int64_t size, int64_t population) {
  std::set<int64_t> cohort;
  while (static_cast<int64_t>(cohort.size()) < size) {
    cohort.insert(static_cast<int64_t>(rng.Below(static_cast<uint64_t>(population))));
  }
  return {cohort.begin(), cohort.end()};
}

TEST_CASE("clients find their state again, in memory, in the file and in both") {
  // 17 + 5 floats take 48 after rounding; 8 MiB chunks.
  for (const int64_t budget : {int64_t{1} << 30, int64_t{0}, int64_t{9} << 20}) {
    const TempFolder folder;
    Pair pair({17, 5}, budget, folder / "clients.bin");
    Rng rng(1, {"store"});
    for (int round = 0; round < 12; ++round) {
      pair.Round(RandomCohort(rng, 12000, 60000), round % 5 != 3);
    }
    pair.CheckAll();
    CHECK(std::filesystem::exists(folder / "clients.bin") == (budget < (int64_t{1} << 30)));
  }
}

TEST_CASE("a checkpoint holds the state of whole rounds, whatever is written after it") {
  for (const int64_t budget : {int64_t{1} << 30, int64_t{0}, int64_t{9} << 20}) {
    const TempFolder folder;
    const std::string file = folder / "clients.bin";
    SafetensorsFile checkpoint;
    std::map<int64_t, int64_t> rounds;
    Rng rng(2, {"store"});
    {
      Pair pair({17, 5}, budget, file);
      for (int round = 0; round < 6; ++round) {
        pair.Round(RandomCohort(rng, 9000, 60000), true);
        if (round == 2) {
          // An earlier checkpoint, replaced by the next.
          SafetensorsFile first;
          pair.store.Save(first);
          pair.store.Saved();
        }
      }
      pair.store.Save(checkpoint);
      pair.store.Saved();
      rounds = pair.rounds;
      // Then the process goes on for some rounds and is killed in the middle of one.
      for (int round = 0; round < 4; ++round) pair.Round(RandomCohort(rng, 9000, 60000), true);
      pair.store.Begin({1, 2, 3});
      for (const int64_t client : {1, 2, 3}) pair.store.Open(client)[0].fill_(-1);
    }
    Pair resumed({17, 5}, budget, file);
    resumed.store.Load(checkpoint, "state.safetensors", kPopulation);
    resumed.rounds = rounds;
    resumed.CheckAll();
    for (int round = 0; round < 4; ++round) {
      resumed.Round(RandomCohort(rng, 9000, 60000), round != 2);
    }
    resumed.CheckAll();
  }
}

TEST_CASE("records that only an older checkpoint counts on are used again") {
  const TempFolder folder;
  Pair pair({1 << 20}, 0, folder / "clients.bin");  // 4 MiB a record, two in a chunk
  for (int round = 0; round < 10; ++round) {
    pair.Round({1, 2, 3}, true);
    SafetensorsFile checkpoint;
    pair.store.Save(checkpoint);
    pair.store.Saved();
    CHECK_FALSE(pair.store.WantsCheckpoint());
  }
  // Three live, three retired by the latest round, three being written, at most.
  CHECK(std::filesystem::file_size(folder / "clients.bin") <= 10 * (4 << 20));
  for (int round = 0; round < 20; ++round) pair.Round({1, 2, 3}, true);
  CHECK(pair.store.WantsCheckpoint());
}

TEST_CASE("a checkpoint whose clients don't fit is refused with the reason") {
  const TempFolder folder;
  const std::string file = folder / "clients.bin";
  SafetensorsFile checkpoint;
  {
    Pair pair({16}, 0, file);
    pair.Round({3, 5}, true);
    pair.store.Save(checkpoint);
  }
  const auto refusal = [&](std::vector<int64_t> sizes, int64_t population) {
    ClientStore store(std::move(sizes), 0, file);
    return ErrorOf<DataError>([&] { store.Load(checkpoint, "c.safetensors", population); });
  };
  CHECK(refusal({16}, 100).empty());
  CHECK(refusal({32}, 100) ==
        "c.safetensors: does not hold the clients' state of this strategy; start over with "
        "--force");
  CHECK(refusal({16}, 5) ==
        "c.safetensors: has a damaged list of clients; start over with --force");
  std::filesystem::resize_file(file, 1000);
  CHECK_THAT(refusal({16}, 100), Catch::Contains("bytes of clients' state, which is missing or "
                                                 "shorter; start over with --force"));
}

TEST_CASE("where nothing is kept, a store costs nothing") {
  const TempFolder folder;
  ClientStore store({}, 0, folder / "clients.bin");
  CHECK_FALSE(store.keeps_anything());
  store.Begin({1, 2});
  CHECK(store.Open(1).empty());
  store.Commit();
  SafetensorsFile checkpoint;
  store.Save(checkpoint);
  CHECK(checkpoint.tensors.empty());
  CHECK_FALSE(std::filesystem::exists(folder / "clients.bin"));
}

}  // namespace
}  // namespace flsim
