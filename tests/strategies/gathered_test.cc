// The seam below the robust rules: gathering, pre-aggregations, the mean, refusals.
#include "strategies/aggregators/gathered.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>
#include <set>

#include "tests/strategies/aggregator_cohort.h"

namespace flsim {
namespace {

/// Puts the first coordinate of each row, in order, and the weights behind them into `out`.
class ListRows : public GatheredRule {
 public:
  struct Options {};
  ListRows(const Options&, const Aggregator::Context&) {}
  void Combine(CohortMatrix& rows, const FoldInput&, const at::Tensor& out) const {
    Fill(out, -1);
    float* y = out.mutable_data_ptr<float>();
    for (size_t i = 0; i < rows.rows.size(); ++i) {
      y[i] = rows.rows[i].const_data_ptr<float>()[0];
      y[8 + i] = static_cast<float>(rows.weights[i]);
    }
  }
};

void AddClient(const Aggregator& aggregator, Aggregator::Part& part, float first, double weight) {
  Values delta(16, 0.0f);
  delta[0] = first;
  Update update;
  update.delta = Vector(delta);
  update.buffers = Vector({});
  update.weight = weight;
  aggregator.Add(part, update);
}

Aggregator::Context Sixteen() {
  Aggregator::Context context;
  context.parameters = 16;
  return context;
}

TEST_CASE("gathered rows come in the order of the cohort, however the parts are joined") {
  const Gathered<ListRows> aggregator({}, Sixteen());
  std::vector<std::unique_ptr<Aggregator::Part>> parts;
  for (int i = 0; i < 4; ++i) {
    parts.push_back(aggregator.NewPart());
    AddClient(aggregator, *parts.back(), static_cast<float>(2 * i), 10 + 2 * i);
    AddClient(aggregator, *parts.back(), static_cast<float>(2 * i + 1), 11 + 2 * i);
  }
  aggregator.Join(*parts[2], *parts[3]);
  aggregator.Join(*parts[0], *parts[1]);
  aggregator.Join(*parts[0], *parts[2]);
  const Aggregate aggregate = aggregator.Finish(*parts[0], {});
  CHECK(Read(aggregate.delta) == Values{0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 13, 14, 15, 16, 17});
  CHECK(aggregate.buffers.numel() == 0);
}

TEST_CASE("a later round is gathered into the memory of the former") {
  const Gathered<ListRows> aggregator({}, Sixteen());
  std::set<const void*> memory;
  for (int round = 0; round < 4; ++round) {
    // The part that ends up with all the rows is another one each round.
    std::vector<std::unique_ptr<Aggregator::Part>> parts;
    for (int i = 0; i < 3; ++i) {
      parts.push_back(aggregator.NewPart());
      AddClient(aggregator, *parts.back(), static_cast<float>(i), 1);
    }
    aggregator.Join(*parts[1], *parts[2]);
    aggregator.Join(*parts[0], *parts[1]);
    const Aggregate aggregate = aggregator.Finish(*parts[0], {});
    CHECK(Read(aggregate.delta)[2] == 2);
    memory.insert(aggregate.delta.const_data_ptr());
    for (auto& part : parts) aggregator.Clear(*part);
    CHECK(Read(aggregator.Finish(*parts[0], {}).delta)[0] == -1);
    memory.insert(aggregator.Finish(*parts[0], {}).delta.const_data_ptr());
    aggregator.Clear(*parts[0]);
  }
  // Three rows and the result.
  CHECK(memory.size() <= 4);
}

Json Nnm(int64_t num_malicious) { return {{"name", "nnm"}, {"num_malicious", num_malicious}}; }
Json Bucketing(int64_t size) { return {{"name", "bucketing"}, {"bucket_size", size}}; }
const Json kUniform = {{"name", "mean"}, {"weighting", "uniform"}};

Cohort OneHot(size_t n) {
  Cohort cohort(n, Values(n, 0.0f));
  for (size_t i = 0; i < n; ++i) cohort[i][i] = 1;
  return cohort;
}

CohortMatrix Matrix(const Cohort& cohort) {
  CohortMatrix matrix;
  for (const Values& row : cohort) matrix.rows.push_back(Vector(row));
  matrix.weights.assign(cohort.size(), 3.0);
  matrix.parameters = matrix.columns();
  return matrix;
}

TEST_CASE("nnm replaces each update by the mean of the n - f nearest, itself included") {
  CohortMatrix matrix = Matrix({{0, 5}, {1, 5}, {10, 5}});
  BuildComponent<PreAggregation>(Nnm(1))->Apply(matrix, Rng(1, {"test"}));
  CHECK(Read(matrix.rows[0]) == Values{0.5, 5});
  CHECK(Read(matrix.rows[1]) == Values{0.5, 5});
  CHECK(Read(matrix.rows[2]) == Values{5.5, 5});
  CHECK(matrix.weights == std::vector<double>{1, 1, 1});
}

TEST_CASE("nnm against nobody makes every update the mean") {
  const Cohort cohort = RandomCohort(7, 40);
  Folding folding;
  folding.pre_aggregations = {Nnm(0)};
  CHECK(Difference(Fold("krum", cohort, folding).delta, MeanOf(cohort)) < 1e-6);
  CHECK(Difference(Fold(kUniform, cohort, folding).delta, MeanOf(cohort)) < 1e-6);
}

TEST_CASE("nnm leaves honest updates' means untouched by far outliers") {
  Cohort cohort = RandomCohort(7, 40);
  cohort[2] = RandomRow(40, 2, 1e9);
  cohort[5] = RandomRow(40, 5, -1e9);
  CohortMatrix matrix = Matrix(cohort);
  BuildComponent<PreAggregation>(Nnm(2))->Apply(matrix, Rng(1, {"test"}));
  const Values honest = MeanOf(cohort, {0, 1, 3, 4, 6});
  for (const size_t i : {0, 1, 3, 4, 6}) CHECK(Difference(Read(matrix.rows[i]), honest) < 1e-6);
}

TEST_CASE("bucketing puts every update into one bucket and averages it there") {
  CohortMatrix matrix = Matrix(OneHot(7));
  const auto bucketing = BuildComponent<PreAggregation>(Bucketing(3));
  CHECK(bucketing->Rows(7) == 3);
  CHECK(bucketing->Rows(6) == 2);
  CHECK(bucketing->Rows(1) == 1);
  bucketing->Apply(matrix, Rng(1, {"test"}));
  REQUIRE(matrix.n() == 3);
  Values members(7, 0.0f);
  for (size_t bucket = 0; bucket < 3; ++bucket) {
    const Values row = Read(matrix.rows[bucket]);
    const float share = bucket < 2 ? 1.0f / 3 : 1;
    for (size_t i = 0; i < 7; ++i) {
      CHECK((row[i] == 0 || row[i] == share));
      members[i] += row[i] / share;
    }
  }
  CHECK(members == Values(7, 1.0f));
}

TEST_CASE("bucketing keeps the mean where the buckets are of one size") {
  const Cohort cohort = RandomCohort(12, 40);
  for (const int64_t size : {1, 2, 3, 4, 6, 12, 100}) {
    Folding folding;
    folding.pre_aggregations = {Bucketing(size)};
    CHECK(Difference(Fold(kUniform, cohort, folding).delta, MeanOf(cohort)) < 1e-6);
  }
}

TEST_CASE("buckets are drawn anew each round, and for each pre-aggregation") {
  Folding folding;
  folding.pre_aggregations = {Bucketing(2)};
  const Json spec = {{"name", "krum"}, {"num_malicious", 0}};
  std::set<Values> seen;
  for (int64_t round = 1; round <= 8; ++round) {
    folding.round = round;
    const Values pair = Fold(spec, OneHot(12), folding).delta;
    CHECK(Fold(spec, OneHot(12), folding).delta == pair);
    seen.insert(pair);
  }
  CHECK(seen.size() > 4);
}

TEST_CASE("pre-aggregations are applied in their order") {
  const Cohort cohort = {{0}, {1}, {2}, {100}};
  Folding folding;
  // All in one bucket, of which nothing is left to mix; or mixed first: 1, 1, 1, 103/3.
  folding.pre_aggregations = {Bucketing(4), Nnm(0)};
  CHECK(Fold("median", cohort, folding).delta == Values{25.75});
  folding.pre_aggregations = {Nnm(1), Bucketing(1)};
  CHECK(Fold("median", cohort, folding).delta == Values{1});
}

TEST_CASE("the mean counts updates by their weight, or all the same") {
  Folding folding;
  folding.weights = {1, 3, 0};
  folding.buffers = 1;
  const Cohort cohort = {{4, 8}, {8, 16}, {6, 600}};
  const Folded weighted = Fold("mean", cohort, folding);
  CHECK(weighted.delta == Values{7});
  CHECK(weighted.buffers == Values{14});
  CHECK(weighted.squared_norm == 49);
  const Folded uniform = Fold(kUniform, cohort, folding);
  CHECK(uniform.delta == Values{6});
  CHECK(uniform.buffers == Values{208});
}

TEST_CASE("updates of weight 0 count the same only if there are no others") {
  const Cohort cohort = {{4}, {8}, {6}, {30}, {2}};
  Folding folding;
  folding.weights = {0, 0, 0, 0, 0};
  CHECK(Fold("mean", cohort, folding).delta == Values{10});
  for (size_t only = 0; only < 5; ++only) {
    folding.weights.assign(5, 0);
    folding.weights[only] = 0.5;
    CHECK(Fold("mean", cohort, folding).delta == cohort[only]);
  }
}

TEST_CASE("weights are used by the mean and the geometric median where they say so") {
  const Aggregator::Context context;
  const auto uses = [&](const Json& spec) {
    return BuildComponent<Aggregator>(spec, context)->UsesWeights();
  };
  CHECK(uses("mean"));
  CHECK_FALSE(uses(kUniform));
  CHECK_FALSE(uses("geometric_median"));
  CHECK(uses({{"name", "geometric_median"}, {"weighting", "examples"}}));
  for (const char* rule : {"median", "krum", "fltrust"}) CHECK_FALSE(uses(rule));
}

TEST_CASE("only fltrust asks for a root data set") {
  const Aggregator::Context context;
  for (const std::string& name : Registry<Aggregator>::Get().Names()) {
    CHECK(BuildComponent<Aggregator>(name, context)->RootExamples() ==
          (name == "fltrust" ? 100 : 0));
  }
}

TEST_CASE("weights by examples are refused where updates are mixed") {
  const auto nnm = BuildComponent<PreAggregation>("nnm");
  Aggregator::Context context;
  context.pre_aggregations = {nnm.get()};
  for (const Json& spec :
       std::vector<Json>{"mean", {{"name", "geometric_median"}, {"weighting", "examples"}}}) {
    CHECK(ErrorOf<ConfigError>([&] { BuildComponent<Aggregator>(spec, context); }) ==
          "aggregator.weighting: \"examples\" can't be combined with pre_aggregation, which mixes "
          "the updates of several clients; take \"uniform\"");
  }
}

/// Why a cohort is refused, after these pre-aggregations.
std::string WhyNot(const Json& spec, int64_t clients, const std::vector<Json>& before = {}) {
  Aggregator::Context context;
  std::vector<std::unique_ptr<PreAggregation>> pre_aggregations;
  for (const Json& each : before) {
    pre_aggregations.push_back(BuildComponent<PreAggregation>(each));
    context.pre_aggregations.push_back(pre_aggregations.back().get());
  }
  return BuildComponent<Aggregator>(spec, context)->WhyNotCohort(clients);
}

TEST_CASE("a cohort too small for the malicious ones is refused with the numbers") {
  const auto with = [](const char* name, int64_t num_malicious) {
    return Json{{"name", name}, {"num_malicious", num_malicious}};
  };
  CHECK(WhyNot(with("krum", 2), 7).empty());
  CHECK(WhyNot(with("krum", 2), 6) == "krum with num_malicious 2 needs at least 7 updates, got 6");
  CHECK(WhyNot(with("multikrum", 1), 5).empty());
  CHECK(WhyNot(with("multikrum", 1), 4) ==
        "multikrum with num_malicious 1 needs at least 5 updates, got 4");
  CHECK(WhyNot({{"name", "multikrum"}, {"num_selected", 9}}, 8) ==
        "multikrum with num_selected 9 needs at least 9 updates, got 8");
  CHECK(WhyNot(with("bulyan", 2), 11).empty());
  CHECK(WhyNot(with("bulyan", 2), 10) ==
        "bulyan with num_malicious 2 needs at least 11 updates, got 10");
  CHECK(WhyNot(with("meamed", 3), 7).empty());
  CHECK(WhyNot(with("meamed", 3), 6) ==
        "meamed with num_malicious 3 needs at least 7 updates, got 6");
  CHECK(WhyNot(with("mda", 3), 7).empty());
  CHECK(WhyNot(with("mda", 3), 6) == "mda with num_malicious 3 needs at least 7 updates, got 6");
  CHECK(WhyNot(with("dnc", 3), 7).empty());
  CHECK(WhyNot({{"name", "dnc"}, {"num_malicious", 3}, {"filter_factor", 2.5}}, 8) ==
        "dnc with num_malicious 3 and filter_factor 2.5 needs at least 9 updates, got 8");
  for (const char* rule : {"median", "mean", "trimmed_mean", "geometric_median", "fltrust"})
    CHECK(WhyNot(rule, 1).empty());
}

TEST_CASE("the cohort that counts is what the pre-aggregations leave of it") {
  const Json krum = {{"name", "krum"}, {"num_malicious", 1}};
  CHECK(WhyNot(krum, 9, {Bucketing(2)}).empty());
  CHECK(WhyNot(krum, 8, {Bucketing(2)}) ==
        "krum with num_malicious 1 needs at least 5 updates, got 4 (what pre_aggregation makes of "
        "8)");
  CHECK(WhyNot(kUniform, 4, {Nnm(2)}) ==
        "nnm with num_malicious 2 needs at least 5 updates, got 4");
  CHECK(WhyNot(kUniform, 9, {Bucketing(2), Nnm(3)}) ==
        "nnm with num_malicious 3 needs at least 7 updates, got 5 (what pre_aggregation makes of "
        "9)");
}

TEST_CASE("mda says how far its exact search goes") {
  CHECK(WhyRefused<Aggregator>({{"name", "mda"}, {"num_malicious", 41}}).find("40") !=
        std::string::npos);
}

}  // namespace
}  // namespace flsim
