// Bucketing: the updates, in random order, are averaged s at a time.
// Karimireddy, He, Jaggi (2022), "Byzantine-Robust Learning on Heterogeneous Datasets via
// Bucketing", Algorithm 1 and equation 1. Where s does not divide n the last bucket is the mean of
// the updates that are left, as in ByzFL (the paper's formula divides by s). A malicious update
// spoils its whole bucket: a rule's num_malicious stays as it was while its cohort shrinks.
//   n  rows    s  bucket_size    x_pi(k)  order[k]
// Cost: n P; memory: in place.
#include <algorithm>

#include "strategies/pre_aggregation.h"

namespace flsim {
namespace {

class Bucketing : public PreAggregation {
 public:
  struct Options {
    int64_t bucket_size = 2;
    template <class V>
    void Visit(V& v) {
      v(bucket_size, "bucket_size", "s, how many updates are averaged into one.", Between(1, 1e6));
    }
  };
  Bucketing(const Options& options, const Context&) : size_(options.bucket_size) {}

  void Apply(CohortMatrix& rows, Rng rng) const override {
    std::vector<int64_t> order;
    for (int64_t i = 0; i < rows.n(); ++i) order.push_back(i);
    rng.Shuffle(order.data(), rows.n());
    std::vector<at::Tensor> buckets;
    for (auto begin = order.begin(); begin != order.end();) {
      const auto end = begin + std::min<int64_t>(size_, order.end() - begin);
      const CohortMatrix bucket = rows.Select({begin, end});
      bucket.Mean(bucket.rows.front());
      buckets.push_back(bucket.rows.front());
      begin = end;
    }
    rows.rows = std::move(buckets);
    rows.weights.assign(rows.rows.size(), 1.0);
  }

  int64_t Rows(int64_t rows) const override { return (rows + size_ - 1) / size_; }

 private:
  int64_t size_;
};

FLSIM_REGISTER(PreAggregation, Bucketing, "bucketing",
               "Averages the updates a few at a time, in random order (Karimireddy et al., 2022).");

}  // namespace
}  // namespace flsim
