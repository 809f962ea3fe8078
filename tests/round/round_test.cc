#include <atomic>
#include <catch2/catch.hpp>
#include <numeric>
#include <set>
#include <thread>

#include "engine/core/vector_ops.h"
#include "engine/round/evaluation.h"
#include "engine/round/tree_fold.h"
#include "engine/round/worker_pool.h"
#include "strategies/sampler.h"

namespace flsim {
namespace {

TEST_CASE("a distribution over clients has the percentiles that one computes by hand") {
  std::vector<double> values(20);
  std::iota(values.begin(), values.end(), 1.0);  // 1 .. 20
  const Distribution accuracy = Distribute(values, /*higher_is_better=*/true);
  CHECK(accuracy.clients == 20);
  CHECK(accuracy.mean == Approx(10.5));
  CHECK(accuracy.std == Approx(5.766281297));  // sqrt((20^2 - 1) / 12)
  CHECK(accuracy.p5 == Approx(1.95));          // NumPy's default, linear interpolation
  CHECK(accuracy.p25 == Approx(5.75));
  CHECK(accuracy.p50 == Approx(10.5));
  CHECK(accuracy.p75 == Approx(15.25));
  CHECK(accuracy.p95 == Approx(19.05));
  CHECK(accuracy.worst_tenth == Approx(1.5));
  CHECK(Distribute(values, /*higher_is_better=*/false).worst_tenth == Approx(19.5));
  CHECK(Distribute({3.0}, true).worst_tenth == 3);
}

TEST_CASE("a pool does every item once, on any number of workers") {
  for (const int workers : {1, 2, 7}) {
    WorkerPool pool(workers);
    for (const int64_t items : {0, 1, 1000}) {
      std::vector<std::atomic<int>> done(static_cast<size_t>(items));
      pool.Run(items, [&](int worker, int64_t item) {
        FLSIM_CHECK(worker >= 0 && worker < workers);
        ++done[static_cast<size_t>(item)];
      });
      for (const auto& count : done) CHECK(count == 1);
    }
  }
}

TEST_CASE("a pool rethrows what the lowest failed item threw, and works on") {
  WorkerPool pool(4);
  for (int repeat = 0; repeat < 50; ++repeat) {
    std::string text;
    try {
      pool.Run(100, [](int, int64_t item) {
        if (item >= 5) throw DataError("item " + std::to_string(item));
      });
    } catch (const DataError& error) {
      text = error.what();
    }
    CHECK(text == "item 5");
  }
  std::atomic<int> done{0};
  pool.Run(10, [&](int, int64_t) { ++done; });
  CHECK(done == 10);
}

/// Keeps the order of what was added: joining is not commutative.
class Order : public Aggregator {
 public:
  struct List : Part {
    std::vector<int64_t> items;
  };
  std::unique_ptr<Part> NewPart() const override { return std::make_unique<List>(); }
  void Clear(Part& part) const override { static_cast<List&>(part).items.clear(); }
  void Add(Part& part, const Update& update) const override {
    static_cast<List&>(part).items.push_back(update.examples);
  }
  void Join(Part& left, const Part& right) const override {
    const auto& more = static_cast<const List&>(right).items;
    auto& items = static_cast<List&>(left).items;
    items.insert(items.end(), more.begin(), more.end());
  }
  Update Finish(Part& part) const override {
    result = static_cast<List&>(part).items;
    return {};
  }
  mutable std::vector<int64_t> result;
};

TEST_CASE("parts given in any order are joined in theirs") {
  const Order order;
  TreeFold fold(order);
  Rng rng(1, {"order"});
  for (const int64_t parts : {1, 2, 3, 5, 8, 13, 100, 256}) {
    std::vector<int64_t> sequence(static_cast<size_t>(parts));
    std::iota(sequence.begin(), sequence.end(), 0);
    const std::vector<int64_t> expected = sequence;
    rng.Shuffle(sequence.data(), parts);
    fold.Start(parts);
    for (const int64_t index : sequence) {
      auto part = fold.Take();
      Update update;
      update.examples = index;
      order.Add(*part, update);
      fold.Give(index, std::move(part));
    }
    fold.Finish();
    CHECK(order.result == expected);
  }
}

TEST_CASE("the uniform sampler draws distinct clients, each as often as any other") {
  Problems problems;
  Choice<Sampler> choice;
  choice.Bind(Json{{"name", "uniform"}, {"cohort", 7}}, "sampler", problems);
  const auto sampler = choice.Make({});
  constexpr int kRounds = 20000, kClients = 30;
  std::vector<int> drawn(kClients);
  for (uint64_t round = 0; round < kRounds; ++round) {
    const auto cohort = sampler->Sample(kClients, Rng(1, {"sample", round}));
    REQUIRE(std::set<int64_t>(cohort.begin(), cohort.end()).size() == 7);
    CHECK(std::is_sorted(cohort.begin(), cohort.end()));
    for (const int64_t client : cohort) ++drawn[static_cast<size_t>(client)];
  }
  // Each count is binomial(20000, 7/30): standard deviation 60; five of them.
  for (const int count : drawn) CHECK(std::abs(count - kRounds * 7.0 / kClients) < 300);
}

}  // namespace
}  // namespace flsim
