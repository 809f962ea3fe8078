#include "engine/core/vector_ops.h"

#include <ATen/ops/empty.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "engine/core/error.h"
#include "engine/core/rng.h"
#include "tests/values.h"

namespace flsim {
namespace {

/// Sizes around every vector width and tail.
const std::vector<size_t> kSizes = {0, 1, 3, 7, 8, 11, 15, 16, 17, 31, 32, 33, 100, 1027};

/// The sum that the header promises, written plainly: 16 lanes, of which the tail uses the first 8.
double SquaredNormInLanes(const Values& x) {
  double lanes[16] = {};
  const size_t whole = x.size() / 16 * 16;
  for (size_t i = 0; i < whole; ++i) lanes[i % 16] += static_cast<double>(x[i]) * x[i];
  for (size_t i = whole; i < x.size(); ++i) lanes[i % 8] += static_cast<double>(x[i]) * x[i];
  double s[8];
  for (int j = 0; j < 8; ++j) s[j] = lanes[j] + lanes[j + 8];
  return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

TEST_CASE("elementwise operations have the bits of one rounding per operation") {
  for (const size_t n : kSizes) {
    const Values y = Random(n, 1), u = Random(n, 2), v = Random(n, 3);
    const double a = 0.1;
    Values scaled(n), added(n), moved(n), difference(n), shrunk(n);
    for (size_t i = 0; i < n; ++i) {
      // volatile: no fused or wider arithmetic, whatever this file is compiled with.
      volatile float product = static_cast<float>(a) * u[i];
      scaled[i] = product;
      added[i] = y[i] + product;
      volatile float minus = u[i] - v[i];
      difference[i] = minus;
      volatile float step = static_cast<float>(a) * minus;
      moved[i] = y[i] + step;
      shrunk[i] = static_cast<float>(a) * y[i];
    }
    at::Tensor t = Vector(y);
    SetScaled(t, a, Vector(u));
    CHECK(Read(t) == scaled);
    t = Vector(y);
    AddScaled(t, a, Vector(u));
    CHECK(Read(t) == added);
    t = Vector(y);
    AddScaledDifference(t, a, Vector(u), Vector(v));
    CHECK(Read(t) == moved);
    t = Vector(y);
    const double squared = Subtract(t, Vector(u), Vector(v));
    CHECK(Read(t) == difference);
    CHECK(squared == SquaredNormInLanes(difference));
    t = Vector(y);
    Scale(t, a);
    CHECK(Read(t) == shrunk);
    t = Vector(y);
    Fill(t, 2.5f);
    CHECK(Read(t) == Values(n, 2.5f));
    Copy(t, Vector(u));
    CHECK(Read(t) == u);
    CHECK(Read(Zeros(static_cast<int64_t>(n), c10::kCPU)) == Values(n, 0));
  }
}

TEST_CASE("a squared norm is summed in 16 double lanes joined in a fixed order") {
  for (const size_t n : kSizes) {
    const Values x = Random(n, 4);
    CHECK(SquaredNorm(Vector(x)) == SquaredNormInLanes(x));
  }
  // In float32 the sum would stop at 2^24.
  const int64_t many = 20'000'000;
  at::Tensor ones = Uninitialized(many, c10::kCPU);
  Fill(ones, 1);
  CHECK(SquaredNorm(ones) == static_cast<double>(many));
}

TEST_CASE("the result of Subtract may overwrite one of its operands") {
  const Values u = Random(100, 5), v = Random(100, 6);
  at::Tensor apart = Zeros(100, c10::kCPU), left = Vector(u), right = Vector(v);
  const double squared = Subtract(apart, left, right);
  at::Tensor in_left = Vector(u), in_right = Vector(v);
  CHECK(Subtract(in_left, in_left, right) == squared);
  CHECK(Subtract(in_right, left, in_right) == squared);
  CHECK(Read(in_left) == Read(apart));
  CHECK(Read(in_right) == Read(apart));
}

TEST_CASE("NaN and Inf show in Subtract and SquaredNorm wherever they stand") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float inf = std::numeric_limits<float>::infinity();
  for (const size_t n : {1u, 11u, 16u, 37u}) {
    for (size_t at = 0; at < n; ++at) {
      Values x(n, 1);
      const at::Tensor one = Vector(x), y = Vector(x);
      x[at] = nan;
      CHECK(std::isnan(SquaredNorm(Vector(x))));
      CHECK(std::isnan(Subtract(y, Vector(x), one)));
      CHECK(std::isnan(Subtract(y, one, Vector(x))));
      x[at] = inf;
      CHECK(std::isinf(SquaredNorm(Vector(x))));
      CHECK(std::isinf(Subtract(y, Vector(x), one)));
      CHECK(std::isnan(Subtract(y, Vector(x), Vector(x))));
    }
  }
  // The largest float32 does not overflow: its square is a double.
  CHECK(std::isfinite(SquaredNorm(Vector({std::numeric_limits<float>::max()}))));
}

const Values kStart = {1, -2, 0.5, 3, -0.25};
const std::vector<Values> kGradients = {
    {0.5, -1, 0.25, 2, -3}, {-0.75, 0.5, 1.5, -0.125, 0.0625}, {0.1f, 0.2f, -0.3f, 0.4f, -0.5f}};

void CheckNear(const at::Tensor& got, const std::vector<double>& expected) {
  const Values values = Read(got);
  REQUIRE(values.size() == expected.size());
  for (size_t i = 0; i < values.size(); ++i) {
    // PyTorch may fuse a product into a sum, where we round twice: two units in the last place of
    // terms of size 0.3 and above.
    CHECK(values[i] == Approx(expected[i]).epsilon(2.4e-7).margin(6e-8));
  }
}

void CheckSgd(double momentum, double weight_decay,
              const std::vector<std::vector<double>>& expected) {
  at::Tensor w = Vector(kStart);
  // What m holds before the first step must not matter.
  at::Tensor m = momentum == 0 ? at::Tensor() : Vector(Values(5, 1e9f));
  for (size_t step = 0; step < expected.size(); ++step) {
    const at::Tensor g = Vector(kGradients[step]);
    Apply(SgdStep{0.1, momentum, weight_decay, step == 0}, w, g, m);
    CheckNear(w, expected[step]);
    CHECK(Read(g) == kGradients[step]);
  }
}

// Expected values: torch.optim of PyTorch 2.11.0 with the options of the call.
TEST_CASE("SGD steps equal PyTorch's") {
  CheckSgd(0, 0,
           {{0.949999988, -1.89999998, 0.474999994, 2.79999995, 0.0500000045},
            {1.02499998, -1.94999993, 0.324999988, 2.8125, 0.043750003},
            {1.01499999, -1.96999991, 0.354999989, 2.77250004, 0.09375}});
}

TEST_CASE("SGD steps with weight decay equal PyTorch's") {
  CheckSgd(0, 0.01,
           {{0.949000001, -1.898, 0.4745, 2.79699993, 0.0502500087},
            {1.02305102, -1.94610202, 0.324025512, 2.80670285, 0.0439497605},
            {1.01202798, -1.96415591, 0.353701502, 2.76389623, 0.093905814}});
}

TEST_CASE("SGD steps with momentum and weight decay equal PyTorch's") {
  CheckSgd(0.9, 0.01,
           {{0.949000001, -1.898, 0.4745, 2.79699993, 0.0502500087},
            {0.977150977, -1.85430205, 0.301075488, 2.62400293, 0.314174742},
            {0.991509736, -1.83311951, 0.174692377, 2.42568159, 0.601392865}});
}

void CheckAdam(AdamStep step, const std::vector<std::vector<double>>& expected) {
  at::Tensor w = Vector(kStart);
  at::Tensor m = Vector(Values(5, 1e9f)), v = Vector(Values(5, 1e9f));
  for (size_t i = 0; i < expected.size(); ++i) {
    step.t = static_cast<int64_t>(i) + 1;
    Apply(step, w, Vector(kGradients[i]), m, v);
    CheckNear(w, expected[i]);
  }
}

TEST_CASE("Adam steps equal PyTorch's") {
  CheckAdam({0.01, 0.9, 0.999, 1e-8, 0, 1},
            {{0.99000001, -1.99000001, 0.49000001, 2.99000001, -0.239999995},
             {0.992477, -1.98733664, 0.48155877, 2.98377681, -0.233455941},
             {0.993675232, -1.98643589, 0.476394176, 2.977808, -0.227415293}});
}

TEST_CASE("Adam steps with weight decay and another epsilon equal PyTorch's") {
  CheckAdam({0.05, 0.8, 0.95, 1e-3, 0.1, 1},
            {{0.950083196, -1.95004165, 0.450166106, 2.95002174, -0.200016528},
             {0.957801282, -1.92904603, 0.406171769, 2.91536355, -0.168755889},
             {0.955606341, -1.91388297, 0.380180359, 2.88075352, -0.140104249}});
}

TEST_CASE("optimizer steps on long vectors equal those on each element alone") {
  const size_t n = 1027;
  const Values start = Random(n, 7), g1 = Random(n, 8), g2 = Random(n, 9);
  at::Tensor sgd = Vector(start), adam = Vector(start);
  const int64_t size = static_cast<int64_t>(n);
  at::Tensor m = Zeros(size, c10::kCPU), am = m.clone(), av = m.clone();
  for (int t = 1; t <= 2; ++t) {
    Apply(SgdStep{0.1, 0.9, 0.01, t == 1}, sgd, Vector(t == 1 ? g1 : g2), m);
    Apply(AdamStep{0.1, 0.9, 0.99, 1e-8, 0.01, t}, adam, Vector(t == 1 ? g1 : g2), am, av);
  }
  for (size_t i = 0; i < n; ++i) {
    at::Tensor w = Vector({start[i]}), a = Vector({start[i]});
    at::Tensor m1 = Zeros(1, c10::kCPU), am1 = m1.clone(), av1 = m1.clone();
    for (int t = 1; t <= 2; ++t) {
      const at::Tensor g = Vector({t == 1 ? g1[i] : g2[i]});
      Apply(SgdStep{0.1, 0.9, 0.01, t == 1}, w, g, m1);
      Apply(AdamStep{0.1, 0.9, 0.99, 1e-8, 0.01, t}, a, g, am1, av1);
    }
    REQUIRE(Read(w)[0] == Read(sgd)[i]);
    REQUIRE(Read(a)[0] == Read(adam)[i]);
  }
}

TEST_CASE("vectors of another size or type are a bug that is named") {
  const at::Tensor five = Zeros(5, c10::kCPU), six = Zeros(6, c10::kCPU);
  CHECK_THROWS_AS(AddScaled(five, 1, six), InternalError);
  CHECK_THROWS_AS(Subtract(five, five, six), InternalError);
  CHECK_THROWS_AS(Copy(five, at::Tensor()), InternalError);
  CHECK_THROWS_AS(Copy(five, at::empty({5}, at::kDouble)), InternalError);
  CHECK_THROWS_AS(Scale(at::empty({5, 2}, at::kFloat).t(), 2), InternalError);
}

}  // namespace
}  // namespace flsim
