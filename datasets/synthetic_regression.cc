// A random linear regression problem, as scikit-learn's make_regression defines it:
//   y = coefficients . x + bias + noise N(0, 1),   x ~ N(0, I),
// where `informative` of the coefficients, at random places, are 100 U(0, 1) and the others zero.
#include <ATen/ops/empty.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "datasets/dataset.h"
#include "datasets/fill_normal.h"
#include "datasets/parallel.h"
#include "engine/core/files.h"

namespace flsim {
namespace {

/// Rows drawn from one stream; part of what the seed means.
constexpr int64_t kChunk = 1024;

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
    Allocate();
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
    const int64_t features = options_.features;
    float* out = batch.input_data();
    for (int64_t i = 0; i < n; ++i, out += features) {
      const int64_t example = start + indices[i];
      std::copy_n(x_ + example * features, features, out);
      batch.target_values()[i] = y_[example];
    }
  }

  std::vector<float> TrainTargets() const override { return {y_, y_ + facts_.train_examples}; }

  std::string Hash() const override {
    return Sha256("synthetic_regression 1 examples " + std::to_string(options_.examples) +
                  " features " + std::to_string(options_.features) + " informative " +
                  std::to_string(informative_) + " noise " + ShowNumber(options_.noise) + " bias " +
                  ShowNumber(options_.bias) + " test_fraction " +
                  ShowNumber(options_.test_fraction) + " seed " + std::to_string(seed_));
  }

  const LinearTruth* truth() const override { return &truth_; }

 private:
  void Allocate() {
    const auto examples = static_cast<double>(options_.examples);
    const auto features = static_cast<double>(options_.features);
    // The data in float32; the coefficients and the order they are drawn in take 8 bytes each.
    const double bytes = 4 * examples * (features + 1) + 16 * features;
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
    all_x_ = at::empty({options_.examples, options_.features}, at::kFloat);
    all_y_ = at::empty({options_.examples}, at::kFloat);
    x_ = all_x_.data_ptr<float>();
    y_ = all_y_.data_ptr<float>();
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
    FillNormal(rng, x_ + begin * features, (end - begin) * features);
    float noise[kChunk] = {};
    if (options_.noise > 0) FillNormal(rng, noise, end - begin);
    for (int64_t i = begin; i < end; ++i) {
      const float* x = x_ + i * features;
      double y = options_.bias;
      for (int64_t j = 0; j < features; ++j)
        y += truth_.coefficients[static_cast<size_t>(j)] * static_cast<double>(x[j]);
      y_[i] = static_cast<float>(y + options_.noise * static_cast<double>(noise[i - begin]));
    }
  }

  Options options_;
  int64_t informative_;
  uint64_t seed_;
  DatasetFacts facts_;
  LinearTruth truth_;
  at::Tensor all_x_, all_y_;  ///< [examples, features], [examples]; tensors start uninitialised
  float* x_ = nullptr;
  float* y_ = nullptr;
};

FLSIM_REGISTER(Dataset, SyntheticRegression, "synthetic_regression",
               "Linear regression on random data (scikit-learn's make_regression).");

}  // namespace
}  // namespace flsim
