#include <atomic>
#include <catch2/catch.hpp>
#include <numeric>
#include <thread>

#include "engine/core/vector_ops.h"
#include "engine/round/evaluation.h"
#include "engine/round/tree_fold.h"
#include "engine/round/worker_pool.h"

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

TEST_CASE("a pool of more workers than cores gets through many short lists") {
  WorkerPool pool(8);
  std::atomic<int64_t> done{0};
  for (int list = 0; list < 20000; ++list) {
    pool.Run(4, [&](int, int64_t) { ++done; });
    REQUIRE(done == 4 * (list + 1));
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
  void Join(Part& left, Part& right) const override {
    const auto& more = static_cast<const List&>(right).items;
    auto& items = static_cast<List&>(left).items;
    items.insert(items.end(), more.begin(), more.end());
  }
  Aggregate Finish(Part&, const FoldInput&) const override { return {}; }
};

TEST_CASE("parts given in any order are joined in theirs") {
  const Order order;
  TreeFold fold(&order);
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
      fold.Add(*part, update);
      fold.Give(index, std::move(part));
    }
    CHECK(static_cast<Order::List&>(*fold.Whole().updates).items == expected);
  }
}

TEST_CASE("extras are summed in the order of the cohort, whoever comes first") {
  const c10::Device cpu(c10::kCPU);
  Rng rng(1, {"extras"});
  constexpr int64_t kClients = 37;
  std::vector<at::Tensor> extras;
  for (int64_t i = 0; i < kClients; ++i) {
    extras.push_back(Uninitialized(3, cpu));
    for (int64_t j = 0; j < 3; ++j)
      extras.back().mutable_data_ptr<float>()[j] = static_cast<float>(rng.Normal());
  }
  TreeFold fold(nullptr);
  std::vector<float> first;
  for (int repeat = 0; repeat < 4; ++repeat) {
    std::vector<int64_t> sequence(kClients);
    std::iota(sequence.begin(), sequence.end(), 0);
    rng.Shuffle(sequence.data(), kClients);
    fold.Start(kClients);
    for (const int64_t index : sequence) {
      auto part = fold.Take();
      Update update;
      update.extras = {extras[static_cast<size_t>(index)]};
      fold.Add(*part, update);
      fold.Give(index, std::move(part));
    }
    const float* sum = fold.Whole().extras.at(0).const_data_ptr<float>();
    if (repeat == 0) first.assign(sum, sum + 3);
    CHECK(std::vector<float>(sum, sum + 3) == first);
    for (int64_t j = 0; j < 3; ++j) {
      double expected = 0;
      for (const at::Tensor& extra : extras) expected += extra.const_data_ptr<float>()[j];
      CHECK(sum[j] == Approx(expected).margin(1e-5));
    }
  }
}

}  // namespace
}  // namespace flsim
