// Laws that hold between whole runs: to the bit unless a tolerance says otherwise.
#include <catch2/catch.hpp>

#include "engine/core/vector_ops.h"
#include "tests/datasets/tiny_cifar.h"
#include "tests/experiment/run_json.h"

namespace flsim {
namespace {

at::Tensor Model(const Json& json) { return RunOnce(json).state.parameters; }

TEST_CASE("1, 2 and 7 workers give the same bits with every model") {
  const TempFolder data;
  WriteTinyCifar(data.path(), 12);
  const std::vector<Json> models = {
      "softmax",
      "mlp",
      "lenet",
      "cnn",
      {{"name", "resnet18"}, {"norm", "group"}},
      {{"name", "resnet18"}, {"norm", "batch"}},
      {{"name", "sequential"},
       {"layers",
        Json::parse(
            R"([{"name": "conv", "channels": 4}, {"name": "group_norm"}, "relu", {"name": "avg_pool"},
                                  "dropout", "flatten", "linear"])")}},
  };
  for (const Json& model : models) {
    Json json = With(SmallImages(data.path().string()),
                     {{"model", model}, {"dataset.augment", {"crop", "flip"}}});
    if (model.is_object() && model["name"] == "resnet18") {
      json = With(json, {{"rounds", 1}, {"sampler.cohort", 3}, {"partition.clients", 12}});
    }
    const RunResult one = RunOnce(With(json, {{"runtime.workers", 1}}));
    INFO(model.dump());
    for (const int workers : {2, 7}) {
      const RunResult many = RunOnce(With(json, {{"runtime.workers", workers}}));
      CHECK(SameBits(one.state.parameters, many.state.parameters));
      CHECK(SameBits(one.state.buffers, many.state.buffers));
      CHECK(one.summary.final_metrics == many.summary.final_metrics);
    }
  }
}

TEST_CASE("1, 2 and 7 workers give the same bits for a linear model and a cohort of many parts") {
  const Json json = With(SmallRegression(), {{"dataset.examples", 4000},
                                             {"dataset.features", 100},  // 60 parts
                                             {"training.lr", 0.001},
                                             {"partition.clients", 1500},
                                             {"sampler.cohort", 1200},
                                             {"evaluation.clients", "all"}});
  const TempFolder folder;
  RunIn(folder / "1", With(json, {{"runtime.workers", 1}}));
  for (const int workers : {2, 7}) {
    RunIn(folder / std::to_string(workers), With(json, {{"runtime.workers", workers}}));
    CHECK(RoundsWithoutTimes(folder / "1") == RoundsWithoutTimes(folder / std::to_string(workers)));
  }
}

TEST_CASE("fedprox with mu 0 is fedavg, and with mu above 0 it is not") {
  const Json json = With(SmallRegression(), {{"training.epochs", 2}});
  const at::Tensor fedavg = Model(With(json, {{"strategy", "fedavg"}}));
  CHECK(SameBits(fedavg, Model(With(json, {{"strategy", {{"name", "fedprox"}, {"mu", 0.0}}}}))));
  CHECK_FALSE(
      SameBits(fedavg, Model(With(json, {{"strategy", {{"name", "fedprox"}, {"mu", 0.1}}}}))));
}

TEST_CASE("a huge clip_norm, no weight decay and lr_decay 1 change nothing") {
  const Json json = SmallRegression();
  CHECK(SameBits(Model(json), Model(With(json, {{"training.clip_norm", 1e30},
                                                {"training.weight_decay", 0},
                                                {"training.lr_decay", 1}}))));
}

TEST_CASE("fedavgm is fedavg with server momentum, and with momentum 0 it is fedavg") {
  const Json json = SmallRegression();
  const at::Tensor composed =
      Model(With(json, {{"server_optimizer", {{"name", "sgd"}, {"momentum", 0.9}}}}));
  CHECK(SameBits(composed, Model(With(json, {{"strategy", "fedavgm"}}))));
  CHECK_FALSE(SameBits(composed, Model(json)));
  CHECK(SameBits(Model(json),
                 Model(With(json, {{"strategy", {{"name", "fedavgm"}, {"momentum", 0.0}}}}))));
}

TEST_CASE("clients of equal size weigh the same whether by examples or uniformly, to rounding") {
  const Json json = With(SmallRegression(), {{"partition", {{"name", "iid"}, {"clients", 12}}}});
  const at::Tensor examples = Model(json);
  const at::Tensor uniform =
      Model(With(json, {{"aggregator", {{"name", "mean"}, {"weighting", "uniform"}}}}));
  CHECK(RelativeDifference(uniform, examples) < 1e-5);
}

TEST_CASE("one client with one full batch a round is gradient descent on all data") {
  // Rounds of one step against the same number of local steps in one round: to rounding of the
  // server step.
  Json json = With(SmallRegression(),
                   {{"partition", {{"name", "iid"}, {"clients", 1}}},
                    {"sampler", {{"name", "uniform"}, {"cohort", 1}}},
                    {"training", {{"batch_size", 0}, {"lr", 0.05}, {"shuffle", false}}}});
  const at::Tensor federated = Model(With(json, {{"rounds", 20}}));
  const at::Tensor central = Model(With(json, {{"rounds", 1}, {"training.epochs", 20}}));
  CHECK(RelativeDifference(federated, central) < 1e-5);
}

TEST_CASE("the whole population with full batches and one step is gradient descent on all data") {
  const std::vector<std::pair<std::string, Json>> full = {
      {"training", {{"batch_size", 0}, {"lr", 0.05}, {"shuffle", false}}}, {"rounds", 10}};
  const at::Tensor federated = Model(With(With(SmallRegression(), full), {{"sampler.cohort", 12}}));
  const at::Tensor central = Model(
      With(With(SmallRegression(), full), {{"partition", {{"name", "iid"}, {"clients", 1}}},
                                           {"sampler", {{"name", "uniform"}, {"cohort", 1}}}}));
  CHECK(RelativeDifference(federated, central) < 1e-5);
}

TEST_CASE("without noise, linear regression finds the true coefficients") {
  const Json json =
      With(SmallRegression(), {{"dataset.noise", 0},
                               {"dataset.bias", 7},
                               {"rounds", 60},
                               {"training", {{"epochs", 3}, {"batch_size", 8}, {"lr", 0.05}}}});
  Experiment experiment(json, "test.json");
  const TempFolder folder;
  RunFolder run_folder(folder / "run", ExistingRun::kRefuse, experiment.resolved());
  experiment.Load();
  const std::atomic<bool> stop{false};
  const RunResult result = Run(experiment, run_folder, {}, stop);
  const LinearTruth& truth = *experiment.dataset().truth();
  const float* learned = result.state.parameters.const_data_ptr<float>();
  for (size_t i = 0; i < truth.coefficients.size(); ++i)
    CHECK(learned[i] == Approx(truth.coefficients[i]).margin(0.01));
  CHECK(learned[truth.coefficients.size()] == Approx(7).margin(0.01));
  CHECK(result.summary.final_metrics.at("test_r2") > 0.99999);
}

TEST_CASE(
    "centered_clipping starts from the last round's aggregate, unless it is to start from 0") {
  const auto clipped = [&](const char* start, int rounds) {
    return RunOnce(
        With(SmallRegression(),
             {{"rounds", rounds},
              {"aggregator", {{"name", "centered_clipping"}, {"radius", 0.5}, {"start", start}}}}));
  };
  CHECK(SameBits(clipped("previous", 1).state.parameters, clipped("zero", 1).state.parameters));
  CHECK_FALSE(
      SameBits(clipped("previous", 2).state.parameters, clipped("zero", 2).state.parameters));
  // With server sgd of learning rate 1 the aggregate is how far the model moved.
  const RunResult one = clipped("previous", 1), none = clipped("previous", 0);
  const at::Tensor moved = Uninitialized(one.state.parameters.numel(), c10::kCPU);
  Subtract(moved, none.state.parameters, one.state.parameters);
  CHECK(RelativeDifference(moved, one.state.tensors.at("aggregator.previous")) < 1e-5);
  CHECK(clipped("zero", 1).state.tensors.empty());
}

TEST_CASE("local buffers are nothing to a model that has none") {
  const Json json = SmallRegression();
  CHECK(SameBits(Model(json), Model(With(json, {{"buffers", "local"}}))));
}

TEST_CASE("a round whose cohort is too small for the aggregator, or empty, moves nothing") {
  const TempFolder folder;
  WriteFileAtomically(folder / "cohorts.json", "[[0, 1, 2, 3, 4], [5, 6], [], [7, 8, 9]]");
  const Json json =
      With(SmallRegression(), {{"rounds", 4},
                               {"strategy", "krum"},
                               {"sampler", {{"name", "file"}, {"path", folder / "cohorts.json"}}}});
  const RunResult result = RunIn(folder / "run", json);
  CHECK(result.summary.status == "completed");
  const auto rounds = RoundsWithoutTimes(folder / "run");
  REQUIRE(rounds.size() == 5);
  CHECK(rounds[2].at("skipped") == "krum with num_malicious 0 needs at least 3 updates, got 2");
  CHECK(rounds[3].at("skipped") == "nobody arrived");
  for (const size_t skipped : {size_t{2}, size_t{3}}) {
    CHECK(rounds[skipped].at("cohort").empty());
    CHECK(rounds[skipped].at("test_loss") == rounds[1].at("test_loss"));
    CHECK_FALSE(rounds[skipped].contains("train_loss"));
  }
  CHECK(rounds[4].at("test_loss") != rounds[1].at("test_loss"));
}

TEST_CASE("another seed gives another run, and the same seed the same one") {
  const Json json = SmallRegression();
  CHECK(SameBits(Model(json), Model(json)));
  CHECK_FALSE(SameBits(Model(json), Model(With(json, {{"seed", 2}}))));
}

TEST_CASE("adam and sgd with steps in place of epochs train as many steps as they are told") {
  for (const char* optimizer : {"sgd", "adam"}) {
    const TempFolder folder;
    RunIn(folder / "run",
          With(SmallRegression(),
               {{"training", {{"steps", 7}, {"optimizer", optimizer}, {"lr", 0.01}}}}));
    const auto rounds = RoundsWithoutTimes(folder / "run");
    CHECK(rounds.at(1).at("steps") == 7 * 5);
    CHECK(rounds.back().at("test_loss") < rounds.front().at("test_loss"));
  }
}

}  // namespace
}  // namespace flsim
