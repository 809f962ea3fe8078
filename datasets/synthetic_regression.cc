// A random linear regression problem, as scikit-learn's make_regression defines it:
//   y = coefficients . x + bias + noise N(0, 1),   x ~ N(0, I),
// where `informative` of the coefficients, at random places, are 100 U(0, 1) and the others zero.
#include <ATen/ops/empty.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "datasets/dataset.h"
#include "datasets/fill_normal.h"
#include "datasets/parallel.h"
#include "engine/core/files.h"
#include "engine/core/huge_pages.h"

namespace flsim {
namespace {

/// Rows drawn from one stream; part of what the seed means.
constexpr int64_t kChunk = 1024;
/// What Prefetch() asks for at most: half of a core's first cache.
constexpr int64_t kPrefetchBytes = 16 << 10;
constexpr int64_t kLineFloats = 16;

/// Copies the rows of `data` (`features` numbers, then the target) at start + indices[0..n). Short
/// rows: a call for each would cost more than the copy.
__attribute__((target_clones("default", "avx2"))) void GatherRows(const float* data, int64_t start,
                                                                  const int64_t* indices, int64_t n,
                                                                  int64_t features, float* out,
                                                                  float* targets) {
  using Float8 = float __attribute__((vector_size(32)));
  for (int64_t i = 0; i < n; ++i, out += features) {
    const float* row = data + (start + indices[i]) * (features + 1);
    int64_t j = 0;
    for (; j + 8 <= features; j += 8) {
      Float8 block;
      std::memcpy(&block, row + j, sizeof block);
      std::memcpy(out + j, &block, sizeof block);
    }
#pragma GCC unroll 1
    for (; j < features; ++j) out[j] = row[j];
    targets[i] = row[features];
  }
}

class SyntheticRegression : public Dataset {
 public:
  struct Options {
    int64_t examples = 10000;
    int64_t features = 10;
    std::optional<int64_t> informative;
    double noise = 0, bias = 0, test_fraction = 0.2;
    std::optional<uint64_t> seed;
    template <class V>
    void Visit(V& v) {
      v(examples, "examples", "Number of examples, training and test together.", Between(1, 1e12));
      v(features, "features", "Number of features of an example.", Between(1, 1e9));
      v(informative, "informative",
        "Number of features whose coefficient is not zero; if left out, all.", AtLeast(1));
      v(noise, "noise", "Standard deviation of the noise added to the targets.", AtLeast(0));
      v(bias, "bias", "Constant term of the targets.");
      v(test_fraction, "test_fraction",
        "Part of the examples, the last ones, held out for testing.", FromBelow(0, 1));
      v(seed, "seed", "Seed of the data; if left out, the experiment's.");
    }
    void Check(Problems& problems, const std::string& path) {
      if (!informative) informative = features;
      if (*informative > features) {
        problems.Add(JoinPath(path, "informative"), "must be at most features (" +
                                                        std::to_string(features) + "), got " +
                                                        std::to_string(*informative));
      }
    }
  };

  SyntheticRegression(const Options& options, const Context& context)
      : options_(options),
        informative_(options.informative.value_or(options.features)),
        seed_(options.seed.value_or(context.seed)) {
    const auto test = static_cast<int64_t>(
        std::llround(static_cast<double>(options.examples) * options.test_fraction));
    facts_.task = Task::kRegression;
    facts_.input_shape = {options.features};
    facts_.outputs = 1;
    facts_.test_examples = std::min(test, options.examples - 1);
    facts_.train_examples = options.examples - facts_.test_examples;
  }

  const DatasetFacts& facts() const override { return facts_; }

  void Load(int threads) override {
    Allocate(threads);
    DrawTruth();
    const int64_t n = options_.examples;
    ParallelFor(threads, (n + kChunk - 1) / kChunk, [&](int64_t chunk) {
      Generate(chunk, chunk * kChunk, std::min(n, (chunk + 1) * kChunk));
    });
  }

  void Gather(Split split, const int64_t* indices, int64_t n, Rng*, Batch& batch) const override {
    FLSIM_CHECK(batch.device().is_cpu(), "gathers on the CPU only");
    batch.Resize(facts_, n);
    const int64_t start = split == Split::kTrain ? 0 : facts_.train_examples;
    GatherRows(data_, start, indices, n, options_.features, batch.input_data(),
               batch.target_values());
  }

  void Prefetch(const int64_t* indices, int64_t n) const override {
    const int64_t last = options_.features;  // the target's place in a row
    const int64_t most = kPrefetchBytes / static_cast<int64_t>(sizeof(float)) / (last + 1);
    for (int64_t i = 0; i < std::min(n, most); ++i) {
      const float* row = Row(indices[i]);
      for (int64_t j = 0; j < last; j += kLineFloats) __builtin_prefetch(row + j);
      __builtin_prefetch(row + last);
    }
  }

  std::vector<float> TrainTargets() const override {
    std::vector<float> targets(static_cast<size_t>(facts_.train_examples));
    for (size_t i = 0; i < targets.size(); ++i) {
      targets[i] = Row(static_cast<int64_t>(i))[options_.features];
    }
    return targets;
  }

  bool UsesSeed() const override { return !options_.seed; }

  std::string Hash() const override {
    return Sha256("synthetic_regression 1 examples " + std::to_string(options_.examples) +
                  " features " + std::to_string(options_.features) + " informative " +
                  std::to_string(informative_) + " noise " + ShowNumber(options_.noise) + " bias " +
                  ShowNumber(options_.bias) + " test_fraction " +
                  ShowNumber(options_.test_fraction) + " seed " + std::to_string(seed_));
  }

  const LinearTruth* truth() const override { return &truth_; }

 private:
  const float* Row(int64_t example) const { return data_ + example * (options_.features + 1); }

  void Allocate(int threads) {
    const auto examples = static_cast<double>(options_.examples);
    const auto features = static_cast<double>(options_.features);
    // The data in float32, and a chunk of it in each thread that draws; the coefficients and the
    // order they are drawn in take 8 bytes each.
    const double drawn = std::min(examples, static_cast<double>(kChunk) * threads);
    const double bytes = 4 * (examples * (features + 1) + drawn * features) + 16 * features;
    const double memory =
        static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGE_SIZE));
    const auto gib = [](double value) {
      return ShowNumber(std::ceil(value / (1 << 30) * 10) / 10) + " GiB";
    };
    if (bytes > memory) {
      throw ConfigError("dataset.examples: " + std::to_string(options_.examples) + " examples of " +
                        std::to_string(options_.features) + " features need " + gib(bytes) +
                        ", but this machine has " + gib(memory) + " of memory");
    }
    rows_ = at::empty({options_.examples, options_.features + 1}, at::kFloat);
    data_ = rows_.data_ptr<float>();
    // Clients read rows all over the place: each would miss the address translation cache, too.
    AdviseHugePages(data_, rows_.nbytes());
  }

  void DrawTruth() {
    Rng rng(seed_, Stream{"synthetic_regression_truth"});
    std::vector<int64_t> order(static_cast<size_t>(options_.features));
    std::iota(order.begin(), order.end(), 0);
    rng.Shuffle(order.data(), options_.features);
    truth_.bias = options_.bias;
    truth_.coefficients.assign(order.size(), 0);
    for (int64_t i = 0; i < informative_; ++i) {
      truth_.coefficients[static_cast<size_t>(order[static_cast<size_t>(i)])] = 100 * rng.Uniform();
    }
  }

  /// Rows [begin, end), which are chunk number `chunk`.
  void Generate(int64_t chunk, int64_t begin, int64_t end) {
    const int64_t features = options_.features;
    Rng rng(seed_, Stream{"synthetic_regression", static_cast<uint64_t>(chunk)});
    std::vector<float> inputs(static_cast<size_t>((end - begin) * features));
    FillNormal(rng, inputs.data(), (end - begin) * features);
    float noise[kChunk] = {};
    if (options_.noise > 0) FillNormal(rng, noise, end - begin);
    const float* x = inputs.data();
    for (int64_t i = begin; i < end; ++i, x += features) {
      float* row = data_ + i * (features + 1);
      double y = options_.bias;
      for (int64_t j = 0; j < features; ++j)
        y += truth_.coefficients[static_cast<size_t>(j)] * static_cast<double>(x[j]);
      std::copy_n(x, features, row);
      row[features] =
          static_cast<float>(y + options_.noise * static_cast<double>(noise[i - begin]));
    }
  }

  Options options_;
  int64_t informative_;
  uint64_t seed_;
  DatasetFacts facts_;
  LinearTruth truth_;
  at::Tensor rows_;  ///< [examples, features + 1]: inputs, then target; starts uninitialised
  float* data_ = nullptr;
};

FLSIM_REGISTER(Dataset, SyntheticRegression, "synthetic_regression",
               "Linear regression on random data (scikit-learn's make_regression).");

}  // namespace
}  // namespace flsim
