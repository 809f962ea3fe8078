// Laws of personalised strategies and of moon, between whole runs: to the bit unless a tolerance
// says otherwise.
#include <catch2/catch.hpp>
#include <fstream>

#include "tests/datasets/tiny_cifar.h"
#include "tests/experiment/run_json.h"

namespace flsim {
namespace {

/// One hidden layer; the last layer, "fc2", has 4 x 10 weights and 10 biases.
const Json kMlp = {{"name", "mlp"}, {"hidden", {4}}};
constexpr int64_t kHead = 50;

/// A convolution, a norm and the head.
Json NormNetwork(const char* norm) {
  return {{"name", "sequential"},
          {"layers",
           {{{"name", "conv"}, {"id", "conv"}, {"channels", 4}, {"stride", 4}},
            {{"name", norm}, {"id", "norm"}},
            "relu",
            {{"name", "avg_pool"}, {"kernel", 0}},
            "flatten",
            {{"name", "linear"}, {"id", "head"}}}}};
}
constexpr int64_t kConv = 3 * 4 * 9 + 4, kNorm = 8;

/// Two classes for each of six clients, of whom four take part in a round.
Json SkewedImages(const TempFolder& data) {
  WriteTinyCifar(data.path(), 24);
  return With(SmallImages(data.path().string()),
              {{"partition", {{"name", "pathological"}, {"clients", 6}, {"classes_per_client", 2}}},
               {"model", kMlp},
               {"rounds", 3},
               {"evaluation.held_out", 0.2}});
}

Json WithStrategy(const Json& json, const Json& strategy) {
  return With(json, {{"strategy", strategy}});
}

/// Keeps the last evaluation of clients.
class LastClients : public RecordSink {
 public:
  void Round(const RoundRecord& record) override {
    if (record.clients) clients = *record.clients;
  }
  ClientMetrics clients;
};

struct Outcome {
  at::Tensor parameters, buffers;
  std::vector<ClientMetric> clients;  ///< of the final model
  double mean_accuracy = 0;
};

Outcome Result(const Json& json) {
  const TempFolder folder;
  LastClients last;
  const RunResult result = RunIn(folder / "run", With(json, {{"evaluation.clients", "all"}}),
                                 ExistingRun::kRefuse, {&last});
  CHECK(result.summary.status == "completed");
  return {result.state.parameters, result.state.buffers, last.clients.each,
          last.clients.accuracy ? last.clients.accuracy->mean : 0};
}

bool SameClients(const std::vector<ClientMetric>& a, const std::vector<ClientMetric>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i].client != b[i].client || a[i].loss != b[i].loss) return false;
  }
  return true;
}

bool SameRange(const at::Tensor& a, const at::Tensor& b, int64_t begin, int64_t size) {
  return SameBits(a.narrow(0, begin, size), b.narrow(0, begin, size));
}

TEST_CASE("ditto's global model is fedavg's, running statistics included") {
  const TempFolder data;
  for (const Json& model : {kMlp, NormNetwork("batch_norm")}) {
    const Json json = With(SkewedImages(data), {{"model", model}});
    const Outcome fedavg = Result(WithStrategy(json, "fedavg"));
    const Outcome ditto = Result(WithStrategy(json, {{"name", "ditto"}, {"epochs", 2}}));
    CHECK(SameBits(ditto.parameters, fedavg.parameters));
    CHECK(SameBits(ditto.buffers, fedavg.buffers));
    CHECK_FALSE(SameClients(ditto.clients, fedavg.clients));
  }
}

TEST_CASE("ditto's personal models with lambda 0 are local training, and with lambda above 0 not") {
  // A cohort of one client, the same in every round, is local training of that client: to rounding
  // of the server step. Full batches in the partition's order have no draws.
  const TempFolder data;
  const Json json = With(SkewedImages(data), {{"training.batch_size", 0},
                                              {"training.shuffle", false},
                                              {"training.momentum", 0},
                                              {"training.epochs", 2},
                                              {"sampler.cohort", 6}});
  const Outcome ditto = Result(WithStrategy(json, {{"name", "ditto"}, {"lambda", 0.0}}));
  const Outcome pulled = Result(WithStrategy(json, {{"name", "ditto"}, {"lambda", 1.0}}));
  const TempFolder files;
  for (size_t client : {0, 3}) {
    INFO(client);
    const std::string cohorts = files / "cohorts.json";
    std::ofstream(cohorts) << "[[" << client << "]]";
    const Outcome alone =
        Result(With(json, {{"sampler", {{"name", "file"}, {"path", cohorts}, {"repeat", true}}},
                           {"strategy", "fedavg"}}));
    CHECK(ditto.clients.at(client).loss == Approx(alone.clients.at(client).loss).epsilon(1e-5));
    CHECK(pulled.clients.at(client).loss != Approx(alone.clients.at(client).loss).epsilon(1e-3));
  }
}

TEST_CASE("local layers of the global model stay as initialised, and the others learn") {
  const TempFolder data;
  const Json json = SkewedImages(data);
  const at::Tensor initial = RunOnce(With(json, {{"rounds", 0}})).state.parameters;
  const int64_t body = initial.numel() - kHead;
  for (const char* strategy : {"fedper", "fedrep", "fedbabu"}) {
    for (const char* optimizer : {"sgd", "adamw"}) {
      INFO(strategy << ", " << optimizer);
      const Json run = With(WithStrategy(json, strategy), {{"server_optimizer", optimizer}});
      const at::Tensor last = Result(run).parameters;
      CHECK(SameRange(last, initial, body, kHead));
      CHECK_FALSE(SameRange(last, initial, 0, body));
      const Json first = {{"name", strategy}, {"local", "fc1"}};
      const at::Tensor swapped = Result(WithStrategy(run, first)).parameters;
      CHECK(SameRange(swapped, initial, 0, body));
      CHECK_FALSE(SameRange(swapped, initial, body, kHead));
    }
  }
}

TEST_CASE("no client of fedbabu ever trains the head, with momentum and weight decay neither") {
  const TempFolder data, folder;
  const Json json = With(
      SkewedImages(data),
      {{"strategy", "fedbabu"}, {"training.weight_decay", 0.1}, {"output.record_updates", true}});
  RunIn(folder / "run", json);
  int files = 0;
  std::vector<std::string> heads;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path())) {
    const std::string name = entry.path().filename().string();
    if (name.rfind("client-", 0) != 0 && name.rfind("global-", 0) != 0) continue;
    ++files;
    std::string head;
    for (const auto& [tensor, values] : ReadSafetensors(entry.path().string()).tensors) {
      if (tensor.rfind("fc2.", 0) != 0) continue;
      head += tensor + std::string(static_cast<const char*>(values.const_data_ptr()),
                                   static_cast<size_t>(values.numel()) * sizeof(float));
    }
    heads.push_back(head);
  }
  CHECK(files == 3 * 4 + 4);  // clients of three rounds, global models
  CHECK(heads.at(0).size() > kHead * sizeof(float));
  for (const std::string& head : heads) CHECK(head == heads[0]);
}

TEST_CASE("fedbn leaves the norm layers of the global model as initialised") {
  const TempFolder data;
  for (const char* norm : {"batch_norm", "group_norm"}) {
    INFO(norm);
    const Json json = With(SkewedImages(data), {{"model", NormNetwork(norm)}});
    const at::Tensor initial = RunOnce(With(json, {{"rounds", 0}})).state.parameters;
    const Outcome fedbn = Result(WithStrategy(json, "fedbn"));
    const Outcome fedavg = Result(WithStrategy(json, "fedavg"));
    const int64_t rest = initial.numel() - kConv - kNorm;
    CHECK(SameRange(fedbn.parameters, initial, kConv, kNorm));
    CHECK_FALSE(SameRange(fedavg.parameters, initial, kConv, kNorm));
    CHECK_FALSE(SameRange(fedbn.parameters, initial, 0, kConv));
    CHECK_FALSE(SameRange(fedbn.parameters, initial, kConv + kNorm, rest));
    CHECK_FALSE(SameClients(fedbn.clients, fedavg.clients));
  }
}

TEST_CASE("apfl's global model is fedavg's, and its clients' too where alpha stays 0") {
  const TempFolder data;
  const Json json = SkewedImages(data);
  const Outcome fedavg = Result(WithStrategy(json, "fedavg"));
  const Outcome off =
      Result(WithStrategy(json, {{"name", "apfl"}, {"alpha", 0.0}, {"adaptive", false}}));
  const Outcome on = Result(WithStrategy(json, "apfl"));
  CHECK(SameBits(off.parameters, fedavg.parameters));
  CHECK(SameClients(off.clients, fedavg.clients));
  CHECK(SameBits(on.parameters, fedavg.parameters));
  CHECK_FALSE(SameClients(on.clients, fedavg.clients));
}

TEST_CASE("moon with mu 0 is fedavg, and with mu above 0 from the second round on not") {
  const TempFolder data;
  // With the backend that gives MOON its features.
  const Json json = With(SkewedImages(data), {{"sampler.cohort", 6}, {"runtime.backend", "torch"}});
  const auto model = [&](const Json& strategy, int rounds) {
    return RunOnce(With(WithStrategy(json, strategy), {{"rounds", rounds}})).state.parameters;
  };
  const Json off = {{"name", "moon"}, {"mu", 0.0}}, on = {{"name", "moon"}, {"mu", 5.0}};
  CHECK(SameBits(model(off, 3), model("fedavg", 3)));
  CHECK(SameBits(model(on, 1), model("fedavg", 1)));
  CHECK_FALSE(SameBits(model(on, 2), model("fedavg", 2)));
}

TEST_CASE("on clients of few classes each, personal models beat fedavg's on what is held out") {
  const TempFolder data;
  const Json json = With(SkewedImages(data), {{"rounds", 8}, {"sampler.cohort", 6}});
  const double fedavg = Result(WithStrategy(json, "fedavg")).mean_accuracy;
  for (const Json& strategy : {Json("fedper"), Json("fedrep"), Json("fedbabu"),
                               Json{{"name", "ditto"}, {"lambda", 0.1}}, Json("apfl")}) {
    INFO(strategy);
    CHECK(Result(WithStrategy(json, strategy)).mean_accuracy > fedavg + 0.1);
  }
}

TEST_CASE("personal models have the same bits with 1 and 3 workers, and after a resumed run") {
  const TempFolder data;
  for (const Json& strategy : {Json("fedper"), Json("fedrep"), Json("fedbabu"), Json("fedbn"),
                               Json("ditto"), Json("apfl"), Json("moon")}) {
    INFO(strategy);
    const char* norm = strategy == "apfl" ? "group_norm" : "batch_norm";
    const Json json = With(SkewedImages(data), {{"strategy", strategy},
                                                {"model", NormNetwork(norm)},
                                                {"evaluation.every", 1},
                                                {"evaluation.clients", "all"}});
    const TempFolder folder;
    RunIn(folder / "1", With(json, {{"runtime.workers", 1}}));
    RunIn(folder / "3", With(json, {{"runtime.workers", 3}}));
    RunIn(folder / "resumed", With(json, {{"rounds", 2}}));
    RunIn(folder / "resumed", json, ExistingRun::kResume);
    CHECK(RoundsWithoutTimes(folder / "1") == RoundsWithoutTimes(folder / "3"));
    CHECK(RoundsWithoutTimes(folder / "1") == RoundsWithoutTimes(folder / "resumed"));
  }
}

}  // namespace
}  // namespace flsim
