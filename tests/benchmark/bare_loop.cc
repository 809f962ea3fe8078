// What federation costs is measured against this: the same local trainings, one model per thread,
// in the ordinary eager style of LibTorch, with no sampler, no strategy, no aggregation and no
// records. Prints one line of JSON; examples_per_s is the median over the rounds after the first.
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/dropout.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>
#include <pthread.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <iostream>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

struct Options {
  std::string model = "lenet", data = "data/cifar-10-batches-bin";
  int64_t clients = 20, population = 0, examples = 500, batch = 32, threads = 1, rounds = 5;
  double lr = 0.01, momentum = 0.9;
};

/// All 50,000 training images as bytes [n, 3, 32, 32], and their labels [n].
struct Images {
  at::Tensor pixels, labels;
};

Images ReadCifar10(const std::string& folder) {
  constexpr int64_t kRecords = 10000, kPixels = 3072, kFiles = 5;
  Images images{at::empty({kFiles * kRecords, 3, 32, 32}, at::kByte),
                at::empty({kFiles * kRecords}, at::kLong)};
  auto* pixels = reinterpret_cast<char*>(images.pixels.data_ptr<uint8_t>());
  int64_t* label = images.labels.data_ptr<int64_t>();
  for (int64_t f = 1; f <= kFiles; ++f) {
    const std::string path = folder + "/data_batch_" + std::to_string(f) + ".bin";
    std::ifstream in(path, std::ios::binary);
    for (int64_t r = 0; r < kRecords; ++r, pixels += kPixels) {
      *label++ = in.get();
      in.read(pixels, kPixels);
    }
    if (!in) throw std::runtime_error("can't read " + path);
  }
  return images;
}

class Net {
 public:
  explicit Net(const std::string& model) : is_lenet_(model == "lenet") {
    if (is_lenet_) {
      Add({6, 3, 5, 5}), Add({16, 6, 5, 5}), Add({120, 400}), Add({84, 120}), Add({10, 84});
    } else {
      Add({32, 3, 3, 3}), Add({64, 32, 3, 3}), Add({128, 12544}), Add({10, 128});
    }
  }

  const std::vector<at::Tensor>& parameters() const { return parameters_; }

  at::Tensor Forward(at::Tensor x) const {
    const auto& p = parameters_;
    if (is_lenet_) {
      x = at::max_pool2d(at::relu(at::conv2d(x, p[0], p[1])), 2);
      x = at::max_pool2d(at::relu(at::conv2d(x, p[2], p[3])), 2);
      x = at::relu(at::linear(x.flatten(1), p[4], p[5]));
      x = at::relu(at::linear(x, p[6], p[7]));
      return at::linear(x, p[8], p[9]);
    }
    x = at::relu(at::conv2d(x, p[0], p[1]));
    x = at::max_pool2d(at::relu(at::conv2d(x, p[2], p[3])), 2);
    x = at::dropout(x, 0.25, true);
    x = at::relu(at::linear(x.flatten(1), p[4], p[5]));
    return at::linear(at::dropout(x, 0.5, true), p[6], p[7]);
  }

 private:
  void Add(const std::vector<int64_t>& shape) {
    const int64_t fan_in =
        std::accumulate(shape.begin() + 1, shape.end(), int64_t{1}, std::multiplies<int64_t>());
    const double bound = 1 / std::sqrt(static_cast<double>(fan_in));
    for (const auto& size : {shape, std::vector<int64_t>{shape[0]}}) {
      parameters_.push_back(at::empty(size, at::kFloat).uniform_(-bound, bound));
      parameters_.back().set_requires_grad(true);
    }
  }

  bool is_lenet_;
  std::vector<at::Tensor> parameters_;  // weight and bias of each layer
};

class Sgd {
 public:
  Sgd(const std::vector<at::Tensor>& parameters, double lr, double momentum)
      : parameters_(parameters), velocity_(parameters.size()), lr_(lr), momentum_(momentum) {}

  void ZeroGrad() {
    for (const auto& p : parameters_) p.mutable_grad().reset();
  }

  void Step() {
    const c10::NoGradGuard no_grad;
    for (size_t i = 0; i < parameters_.size(); ++i) {
      const at::Tensor& gradient = parameters_[i].grad();
      at::Tensor& v = velocity_[i];
      if (v.defined())
        v.mul_(momentum_).add_(gradient);
      else
        v = gradient.clone();
      parameters_[i].add_(v, -lr_);
    }
  }

 private:
  const std::vector<at::Tensor>& parameters_;
  std::vector<at::Tensor> velocity_;
  double lr_, momentum_;
};

/// One epoch over the images order[begin, begin + examples). Returns the mean loss.
double TrainClient(const Options& o, const Images& images, int64_t* order, const Net& global,
                   Net& net, std::mt19937_64& rng) {
  static const at::Tensor scale =
      at::tensor({1 / (255 * 0.2470f), 1 / (255 * 0.2435f), 1 / (255 * 0.2616f)}).view({3, 1, 1});
  static const at::Tensor shift =
      at::tensor({-0.4914f / 0.2470f, -0.4822f / 0.2435f, -0.4465f / 0.2616f}).view({3, 1, 1});
  {
    const c10::NoGradGuard no_grad;
    for (size_t i = 0; i < net.parameters().size(); ++i)
      net.parameters()[i].copy_(global.parameters()[i]);
  }
  Sgd sgd(net.parameters(), o.lr, o.momentum);
  std::shuffle(order, order + o.examples, rng);
  double loss_sum = 0;
  for (int64_t at = 0; at < o.examples; at += o.batch) {
    const int64_t size = std::min(o.batch, o.examples - at);
    const at::Tensor indices = at::from_blob(order + at, {size}, at::kLong);
    const at::Tensor x =
        images.pixels.index_select(0, indices).to(at::kFloat).mul_(scale).add_(shift);
    sgd.ZeroGrad();
    const at::Tensor loss =
        at::cross_entropy_loss(net.Forward(x), images.labels.index_select(0, indices));
    loss.backward();
    sgd.Step();
    loss_sum += loss.item<float>() * static_cast<double>(size);
  }
  return loss_sum / static_cast<double>(o.examples);
}

/// Wall time of each round, in seconds.
std::vector<double> Run(const Options& o, const Images& images) {
  const Net global(o.model);
  std::mt19937_64 rng(1);
  std::vector<int64_t> order(static_cast<size_t>(images.labels.numel()));
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), rng);
  std::vector<int64_t> population(static_cast<size_t>(o.population));
  std::iota(population.begin(), population.end(), 0);

  std::vector<double> losses(static_cast<size_t>(o.clients)), seconds;
  std::atomic<size_t> next{0};
  pthread_barrier_t barrier;
  pthread_barrier_init(&barrier, nullptr, static_cast<unsigned>(o.threads) + 1);
  std::vector<std::thread> threads;
  for (int64_t t = 0; t < o.threads; ++t) {
    threads.emplace_back([&, t] {
      at::set_num_threads(1);
      Net net(o.model);
      std::mt19937_64 shuffle_rng(static_cast<uint64_t>(t) + 2);
      for (int64_t r = 0; r < o.rounds; ++r) {
        pthread_barrier_wait(&barrier);
        for (size_t i; (i = next++) < losses.size();) {
          int64_t* mine = order.data() + population[i] * o.examples;
          losses[i] = TrainClient(o, images, mine, global, net, shuffle_rng);
        }
        pthread_barrier_wait(&barrier);
      }
    });
  }
  for (int64_t r = 0; r < o.rounds; ++r) {
    std::shuffle(population.begin(), population.end(), rng);  // the cohort comes first
    next = 0;
    const auto start = std::chrono::steady_clock::now();
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    seconds.push_back(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  for (auto& thread : threads) thread.join();
  pthread_barrier_destroy(&barrier);
  for (const double loss : losses)
    if (!std::isfinite(loss)) throw std::runtime_error("the loss is not finite");
  return seconds;
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  return (values[n / 2] + values[(n - 1) / 2]) / 2;
}

}  // namespace

int main(int argc, char** argv) {
  Options o;
  CLI::App app("Local training without federation, in eager LibTorch.");
  app.add_option("--model", o.model, "lenet or cnn")->check(CLI::IsMember({"lenet", "cnn"}));
  app.add_option("--data", o.data, "Folder with data_batch_1.bin ...");
  app.add_option("--clients", o.clients, "Clients per round")->check(CLI::PositiveNumber);
  app.add_option("--population", o.population, "Clients they are drawn from; 0: as many");
  app.add_option("--examples", o.examples, "Examples per client")->check(CLI::PositiveNumber);
  app.add_option("--batch", o.batch, "Batch size")->check(CLI::PositiveNumber);
  app.add_option("--threads", o.threads, "Worker threads")->check(CLI::PositiveNumber);
  app.add_option("--rounds", o.rounds, "Rounds, of which the first is not counted")
      ->check(CLI::Range(2, 1000000));
  CLI11_PARSE(app, argc, argv);
  if (o.population == 0) o.population = o.clients;
  try {
    at::set_num_threads(1);
    const Images images = ReadCifar10(o.data);
    if (o.population < o.clients || o.population * o.examples > images.labels.numel())
      throw std::runtime_error(
          "the population needs more examples than there are, or is too small");
    const std::vector<double> seconds = Run(o, images);
    const double median = Median({seconds.begin() + 1, seconds.end()});
    std::cout << "{\"program\": \"bare_loop\", \"rounds\": " << seconds.size()
              << ", \"round_s\": " << median
              << ", \"examples_per_s\": " << static_cast<double>(o.clients * o.examples) / median
              << "}" << std::endl;
  } catch (const std::exception& error) {
    std::cerr << "bare_loop: " << error.what() << "\n";
    return 1;
  }
}
