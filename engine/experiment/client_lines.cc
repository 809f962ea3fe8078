#include "engine/experiment/client_lines.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace flsim {
namespace {

constexpr int64_t kMostLines = 100000;
constexpr int64_t kMostNumbers = 1000000;

int64_t LargestCohort(const Experiment& experiment) {
  const int64_t clients = experiment.partition().clients();
  const int64_t cohort = experiment.sampler().CohortSize(clients);
  return cohort == 0 ? clients : std::min(cohort, clients);
}

/// A line of CSV, field by field.
class Line {
 public:
  explicit Line(std::string& text) : text_(text) {}
  Line& operator<<(int64_t value) { return Put(value); }
  Line& operator<<(double value) { return Put(static_cast<float>(value)); }
  Line& operator<<(const std::optional<double>& value) {
    return value ? *this << *value : Empty(1);
  }
  Line& Empty(int fields) {
    for (; fields > 0; --fields) Separate();
    return *this;
  }
  ~Line() { text_ += '\n'; }

 private:
  void Separate() {
    if (!first_) text_ += ',';
    first_ = false;
  }
  template <class T>
  Line& Put(T value) {
    Separate();
    char digits[32];
    text_.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
    return *this;
  }
  std::string& text_;
  bool first_ = true;
};

}  // namespace

const char* const kClientColumns =
    "round,client,examples,steps,train_loss,first_loss,last_loss,update_norm,cosine,bytes,seconds,"
    "loss,accuracy\n";

bool RecordsClients(const Experiment& experiment) {
  const ExperimentConfig& config = experiment.config();
  if (config.output.clients != "auto") return config.output.clients == "all";
  const int64_t cohort = LargestCohort(experiment);
  const double rounds = static_cast<double>(config.rounds);
  double lines = rounds * static_cast<double>(cohort);
  if (config.evaluation.clients == "all") {
    const int64_t every = config.evaluation.every;
    const double evaluations = every == 0 ? 1 : rounds / static_cast<double>(every) + 1;
    lines += evaluations * static_cast<double>(experiment.partition().clients() - cohort);
  }
  return lines <= static_cast<double>(kMostLines);
}

bool RecordsCosines(const Experiment& experiment) {
  return experiment.config().output.clients == "all" ||
         LargestCohort(experiment) * experiment.network().parameters.size() <= kMostNumbers;
}

std::string ClientLines(const RoundRecord& record, const Partition& partition) {
  std::vector<const ClientReport*> trained;
  for (const ClientReport& report : record.reports) trained.push_back(&report);
  std::sort(trained.begin(), trained.end(),
            [](const ClientReport* a, const ClientReport* b) { return a->client < b->client; });
  std::vector<const ClientMetric*> evaluated;
  if (record.clients) {
    for (const ClientMetric& metric : record.clients->each) evaluated.push_back(&metric);
    std::sort(evaluated.begin(), evaluated.end(),
              [](const ClientMetric* a, const ClientMetric* b) { return a->client < b->client; });
  }
  std::string text;
  auto t = trained.begin();
  auto e = evaluated.begin();
  while (t != trained.end() || e != evaluated.end()) {
    const bool trains =
        t != trained.end() && (e == evaluated.end() || (*t)->client <= (*e)->client);
    const bool tested =
        e != evaluated.end() && (t == trained.end() || (*e)->client <= (*t)->client);
    const int64_t client = trains ? (*t)->client : (*e)->client;
    Line line(text);
    line << record.round << client << partition.size(client);
    if (trains) {
      const ClientReport& report = **t++;
      const auto seen = static_cast<double>(report.examples_seen);
      line << report.steps << report.loss_sum / seen << report.first_loss << report.last_loss
           << std::sqrt(report.squared_norm) << report.cosine << record.client_bytes
           << report.seconds;
    } else {
      line.Empty(8);
    }
    if (tested) {
      line << (*e)->loss << (*e)->accuracy;
      ++e;
    } else {
      line.Empty(2);
    }
  }
  return text;
}

}  // namespace flsim
