// Every client holds examples of exactly `classes_per_client` classes. Which ones is dealt like
// cards: the numbers of holders differ by at most one between classes, as far as the classes have
// enough examples, and the examples of a class are split equally among its holders.
#include <algorithm>
#include <numeric>

#include "datasets/partitions/sizes.h"
#include "engine/core/error.h"

namespace flsim {
namespace {

class Pathological : public Partitioner {
 public:
  struct Options : LabelPartitionOptions {
    int64_t classes_per_client = 2;
    template <class V>
    void Visit(V& v) {
      LabelPartitionOptions::Visit(v);
      v(classes_per_client, "classes_per_client", "Number of classes of every client.", AtLeast(1));
    }
  };
  Pathological(const Options& options, const Context&) : options_(options) {}

  int64_t clients() const override { return options_.clients; }
  int32_t bins() const override { return options_.bins; }
  void CheckExamples(int64_t examples) const override {
    RequireEnoughExamples(options_.clients, examples);
  }

  Partition Split(const PartitionInput& input, Rng rng) const override {
    CheckExamples(input.examples);
    ExamplesByClass by_class(input);
    std::vector<int64_t> places = Holders(input, by_class, rng);
    std::vector<std::vector<uint32_t>> holders(static_cast<size_t>(input.classes));
    std::vector<std::pair<uint64_t, int32_t>> cards;
    for (int64_t client = 0; client < options_.clients; ++client) {
      // The classes with the most places left, ties at random, go to this client; so the last
      // clients find places in different classes, too.
      cards.clear();
      for (int32_t label = 0; label < input.classes; ++label) {
        const auto left = static_cast<uint64_t>(places[static_cast<size_t>(label)]);
        if (left > 0) cards.emplace_back(left << 32 | rng.Bits(), label);
      }
      const auto k = static_cast<std::ptrdiff_t>(options_.classes_per_client);
      FLSIM_CHECK(k <= static_cast<std::ptrdiff_t>(cards.size()), client, k, cards.size());
      std::partial_sort(cards.begin(), cards.begin() + k, cards.end(), std::greater<>());
      for (auto card = cards.begin(); card != cards.begin() + k; ++card) {
        --places[static_cast<size_t>(card->second)];
        holders[static_cast<size_t>(card->second)].push_back(static_cast<uint32_t>(client));
      }
    }

    std::vector<uint32_t> owners(static_cast<size_t>(input.examples));
    for (int32_t label = 0; label < input.classes; ++label) {
      std::vector<uint32_t>& of_class = holders[static_cast<size_t>(label)];
      const int64_t count = by_class.count(label);
      rng.Shuffle(of_class.data(), static_cast<int64_t>(of_class.size()));
      rng.Shuffle(by_class.begin(label), count);
      for (int64_t i = 0; i < count; ++i) {
        owners[static_cast<size_t>(by_class.begin(label)[i])] =
            of_class[static_cast<size_t>(i) % of_class.size()];
      }
    }
    return PartitionByOwner(owners, options_.clients);
  }

 private:
  /// How many clients hold each class: equal numbers, unless a class has too few examples.
  std::vector<int64_t> Holders(const PartitionInput& input, const ExamplesByClass& by_class,
                               Rng& rng) const {
    const int64_t k = options_.classes_per_client, clients = options_.clients;
    std::vector<int32_t> present;
    int64_t most = 0;
    for (int32_t label = 0; label < input.classes; ++label) {
      if (by_class.count(label) == 0) continue;
      present.push_back(label);
      most += std::min(by_class.count(label), clients);
    }
    const auto classes = static_cast<int64_t>(present.size());
    const std::string option = "partition.classes_per_client: ";
    const std::string got = std::to_string(clients) + " clients of " + std::to_string(k) +
                            (k == 1 ? " class" : " classes");
    if (k > classes) {
      throw ConfigError(option + "must be at most " + std::to_string(classes) +
                        " (the classes in the training set), got " + std::to_string(k));
    }
    if (k * clients < classes) {
      throw ConfigError(option + got + " can't hold all " + std::to_string(classes) + " classes");
    }
    if (k * clients > most) {
      throw ConfigError(option + got + " need " + std::to_string(k * clients) +
                        " holders of a class, but the classes have examples for only " +
                        std::to_string(most));
    }
    rng.Shuffle(present.data(), classes);
    std::stable_sort(present.begin(), present.end(),
                     [&](int32_t a, int32_t b) { return by_class.count(a) < by_class.count(b); });
    std::vector<int64_t> holders(static_cast<size_t>(input.classes), 0);
    int64_t left = k * clients, classes_left = classes;
    for (const int32_t label : present) {
      const int64_t share = std::min({by_class.count(label), clients, left / classes_left--});
      holders[static_cast<size_t>(label)] = share;
      left -= share;
    }
    return holders;
  }

  Options options_;
};

FLSIM_REGISTER(Partitioner, Pathological, "pathological",
               "Every client holds exactly the same number of classes.");

}  // namespace
}  // namespace flsim
