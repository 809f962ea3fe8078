#include "tests/cli/program.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "tests/experiment/run_json.h"

namespace flsim {
namespace {

const char* const kRegression = R"({"dataset": "synthetic_regression", "rounds": 3})";

TEST_CASE("the smallest config runs, is quiet when told so, and leaves the contract's files") {
  const TempFolder folder;
  const std::string config = Write(folder, "small.json", kRegression);
  const std::string out = folder / "run";
  const ProgramResult result = RunProgram({"--config", config, "--out", out, "--progress", "none"});
  CHECK(result.exit_code == 0);
  CHECK(result.out.empty());
  CHECK(result.err.empty());
  for (const char* name : {"config.json", "rounds.jsonl", "summary.json", "model.safetensors",
                           "checkpoint/state.safetensors"}) {
    CHECK(std::filesystem::exists(out + "/" + name));
  }
  const Json summary = Json::parse(ReadFile(out + "/summary.json"));
  for (const char* key : {"final", "best", "rounds", "wall_s", "train_examples_per_s",
                          "peak_rss_bytes", "model_sha256", "version", "seed", "status"}) {
    CHECK(summary.contains(key));
  }
  CHECK(summary.at("status") == "completed");
  const auto rounds = RoundsWithoutTimes(out);
  REQUIRE(rounds.size() == 4);
  CHECK(rounds[0].contains("test_mse"));
  CHECK_FALSE(rounds[0].contains("cohort"));
  for (const char* key : {"round", "cohort", "examples", "steps", "train_loss", "test_loss",
                          "test_mse", "test_r2", "update_norm", "bytes_up", "bytes_down"}) {
    CHECK(rounds[1].contains(key));
  }
}

TEST_CASE("the resolved config of a run gives the same run again") {
  const TempFolder folder;
  const std::string config = Write(folder, "a.json", kRegression);
  REQUIRE(RunProgram({"--config", config, "--out", folder / "a", "--progress", "none"}).exit_code ==
          0);
  const std::string resolved = folder / "a/config.json";
  REQUIRE(
      RunProgram({"--config", resolved, "--out", folder / "b", "--progress", "none"}).exit_code ==
      0);
  CHECK(RoundsWithoutTimes(folder / "a") == RoundsWithoutTimes(folder / "b"));
  CHECK(ReadFile(folder / "a/config.json") == ReadFile(folder / "b/config.json"));
}

TEST_CASE("all problems of a config are told at once, each with its path") {
  const TempFolder folder;
  const std::string config = Write(folder, "bad.json", R"({
    "strategy": {"name": "fedprox", "muu": 1}, "training": {"batch_size": -1, "lr": "fast"},
    "partition": "dirichlett", "dataset": "synthetic_regression", "model": "lenet"})");
  const ProgramResult result = RunProgram({"--config", config});
  CHECK(result.exit_code == 2);
  CHECK(result.out.empty());
  CHECK(result.err ==
        "flsim: " + config + " has 5 problems\n" +
            "  strategy.muu: unknown option; did you mean 'mu'?\n"
            "  training.batch_size: must be at least 0, got -1\n"
            "  training.lr: expected number, got \"fast\"\n"
            "  partition: unknown partition 'dirichlett'; known: dirichlet, exponential, file, "
            "iid, linear, "
            "pathological, quantity, shards, square; did you mean 'dirichlet'?\n"
            "  model: lenet needs images [channels, height, width], the data set gives [10]\n");
}

TEST_CASE("malformed JSON is told with its place and never crashes") {
  const TempFolder folder;
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "line 1, column 1: "},
      {"{", "line 1, column 2: "},
      {"{\n  \"seed\": 1,\n}", "line 3, column 1: "},
      {"{\"seed\": NaN}", "line 1, column 10: "},
      {"{} x", "line 1, column 4: "},
      {"{\"seed\": 1e999}", "number overflow"},
      {"\xff", "line 1, column 1: "},
  };
  for (const auto& [text, place] : cases) {
    const std::string config = Write(folder, "bad.json", text);
    const ProgramResult result = RunProgram({"validate", "--config", config});
    INFO(text << " -> " << result.err);
    CHECK(result.exit_code == 2);
    CHECK(result.err.rfind("flsim: " + config + " is not valid JSON: ", 0) == 0);
    CHECK(result.err.find(place) != std::string::npos);
  }
  for (const char* text : {"[]", "3", "\"x\"", "null"}) {
    const std::string config = Write(folder, "bad.json", text);
    CHECK(RunProgram({"validate", "--config", config}).err ==
          "flsim: " + config + " has 1 problem\n  config: expected an object, got " + text + "\n");
  }
  const std::string deep = std::string(100000, '[') + std::string(100000, ']');
  const std::string config = Write(folder, "deep.json", deep);
  CHECK(RunProgram({"validate", "--config", config}).exit_code == 2);
  CHECK(RunProgram({"validate", "--config", folder / "none.json"}).err ==
        "flsim: " + (folder / "none.json") + " can't be read: no such file, or no permission\n");
}

TEST_CASE("impossible combinations are refused before any data are read") {
  const TempFolder folder;
  const std::string config =
      Write(folder, "c.json", R"({"dataset": {"name": "synthetic_regression", "examples": 100}})");
  const auto problem = [&](const std::vector<std::string>& sets) {
    std::vector<std::string> arguments = {"validate", "--config", config};
    for (const std::string& set : sets) {
      arguments.push_back("--set");
      arguments.push_back(set);
    }
    const ProgramResult result = RunProgram(arguments);
    CHECK(result.exit_code == 2);
    const std::string head = "flsim: " + config + " has 1 problem\n  ";
    REQUIRE(result.err.rfind(head, 0) == 0);
    return result.err.substr(head.size(), result.err.size() - head.size() - 1);
  };
  CHECK(problem({}) == "partition.clients: must be at most 80 (the training examples), got 100");
  CHECK(problem({"partition.clients=10", "partition.name=dirichlet", "partition.min_examples=9"}) ==
        "partition.min_examples: must be at most 8 (80 training examples over 10 clients), got 9");
  CHECK(problem({"partition.clients=40", "sampler.cohort=10", "partition.name=shards",
                 "partition.shards_per_client=3"}) ==
        "partition.shards_per_client: must be at most 2 (80 training examples over 40 clients), "
        "got 3");
  CHECK(problem({"partition.clients=10", "sampler.cohort=11"}) ==
        "sampler.cohort: must be at most 10 (the clients of the partition), got 11");
  CHECK(problem({"partition.clients=10", "model=softmax"}).rfind("model: ", 0) == 0);
  CHECK(problem({"partition.clients=10", "runtime.devices=cuda:0"}) ==
        "runtime.devices: 'cuda:0': this build runs on the CPU only; use \"cpu\"");
  CHECK(problem({"partition.clients=10", "training.epochs=1", "training.steps=1"}) ==
        "training.steps: give either epochs or steps, not both");
  CHECK(problem({"partition.clients=10", "training.optimizer=adam", "training.momentum=0.9"}) ==
        "training.momentum: applies to optimizer sgd only; leave it out with adam");
  // Rounds that a cosine takes over from the experiment are not the user's.
  CHECK(problem({"partition.clients=10", "training.lr_schedule=cosine", "rounds=-3"}) ==
        "rounds: must be at least 0, got -3");
  CHECK(problem({"partition.clients=10", "rounds=5",
                 R"(server_lr_schedule={"name": "cosine", "warmup_rounds": 5})"}) ==
        "server_lr_schedule.warmup_rounds: must be less than the rounds of the cosine (5; by "
        "default the experiment's), got 5");
  CHECK(problem({"partition.clients=10", "strategy=fedavgm", "server_optimizer=sgd"}) ==
        "server_optimizer: is already chosen by strategy 'fedavgm'; "
        "leave it out, or use strategy 'fedavg'");
}

TEST_CASE("missing data end with 3 and one line that says what to do") {
  const TempFolder folder;
  const std::string config =
      Write(folder, "c.json", R"({"dataset": {"name": "cifar10", "path": "nowhere"}})");
  const ProgramResult result =
      RunProgram({"--config", config, "--out", folder / "run", "--progress", "none"});
  CHECK(result.exit_code == 3);
  CHECK(result.err.find("nowhere") != std::string::npos);
  CHECK(result.err.find("tools/fetch_cifar10") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(folder / "run"));
}

TEST_CASE("divergence ends with 4, names round and client, and keeps what was written") {
  const TempFolder folder;
  const std::string config = Write(folder, "c.json", kRegression);
  const std::string out = folder / "run";
  const ProgramResult result = RunProgram(
      {"--config", config, "--out", out, "--progress", "none", "--set", "training.lr=1e30"});
  CHECK(result.exit_code == 4);
  CHECK(result.err.rfind("flsim: round 1, client ", 0) == 0);
  CHECK(Json::parse(ReadFile(out + "/summary.json")).at("status") == "diverged");
  CHECK(RoundsWithoutTimes(out).size() == 1);
}

TEST_CASE("an output folder that can't be written is refused") {
  const TempFolder folder;
  const std::string config = Write(folder, "c.json", kRegression);
  const ProgramResult inside_file =
      RunProgram({"--config", config, "--out", config + "/run", "--progress", "none"});
  CHECK(inside_file.exit_code == 2);
  CHECK(inside_file.err.rfind("flsim: can't write to the run folder " + config + "/run: ", 0) == 0);
  const ProgramResult is_file =
      RunProgram({"--config", config, "--out", config, "--progress", "none"});
  CHECK(is_file.exit_code == 2);
  CHECK(ReadFile(config) == kRegression);
}

TEST_CASE("when the disk is full the run ends with 3 and the last checkpoint stays whole") {
  const TempFolder folder;
  const std::string config =
      Write(folder, "c.json", R"({"dataset": "synthetic_regression", "rounds": 2000,
                                                         "output": {"checkpoint_every_s": 0,
                                                                    "clients": "none"}})");
  const std::string out = folder / "run";
  // A limit on the size of files stands in for the full disk: the write fails in the same way.
  Program program({"--config", config, "--out", out, "--progress", "none"}, [] {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{20000, 20000};
    setrlimit(RLIMIT_FSIZE, &limit);
  });
  const ProgramResult result = program.Wait();
  CHECK(result.exit_code == 3);
  CHECK(result.err.find("can't write " + out + "/rounds.jsonl") != std::string::npos);
  // With room again it goes on from there.
  const ProgramResult resumed =
      RunProgram({"--config", config, "--out", out, "--progress", "none", "--resume", "--set",
                  "rounds=2000", "--set", "output.checkpoint_every_s=30"});
  CHECK(resumed.exit_code == 0);
  CHECK(RoundsWithoutTimes(out).size() == 2001);
}

TEST_CASE("kill -9 at any moment, then --resume, gives the bits of an uninterrupted run") {
  const TempFolder folder;
  const std::string config = Write(folder, "c.json", R"({
    "dataset": {"name": "synthetic_regression", "examples": 20000, "features": 20}, "rounds": 400,
    "strategy": "fedavgm", "training": {"lr": 0.001}, "output": {"checkpoint_every_s": 0}})");
  REQUIRE(
      RunProgram({"--config", config, "--out", folder / "whole", "--progress", "none"}).exit_code ==
      0);
  const std::string out = folder / "run";
  int kills = 0;
  for (const int after : {1, 40, 41, 150, 300}) {
    Program program({"--config", config, "--out", out, "--progress", "none", "--resume"});
    while (program.Running()) {
      std::error_code missing;
      const auto size = std::filesystem::file_size(out + "/rounds.jsonl", missing);
      if (missing || size == 0) continue;
      const std::string rounds = ReadFile(out + "/rounds.jsonl");
      if (std::count(rounds.begin(), rounds.end(), '\n') < after) continue;
      program.Signal(SIGKILL);
      ++kills;
      break;
    }
    program.Wait();
  }
  CHECK(kills >= 3);
  REQUIRE(
      RunProgram({"--config", config, "--out", out, "--progress", "none", "--resume"}).exit_code ==
      0);
  CHECK(RoundsWithoutTimes(folder / "whole") == RoundsWithoutTimes(out));
  CHECK(ReadFile(folder / "whole/model.safetensors") == ReadFile(out + "/model.safetensors"));
}

TEST_CASE("Ctrl-C writes a checkpoint and ends with 130") {
  const TempFolder folder;
  const std::string config =
      Write(folder, "c.json", R"({"dataset": "synthetic_regression", "rounds": 1000000})");
  const std::string out = folder / "run";
  Program program({"--config", config, "--out", out, "--progress", "none"});
  while (program.Running() && !std::filesystem::exists(out + "/rounds.jsonl")) {
  }
  while (program.Running() && std::filesystem::file_size(out + "/rounds.jsonl") == 0) {
  }
  program.Signal(SIGINT);
  program.Signal(SIGTERM);  // as timeout does, which signals the process and its group
  const ProgramResult result = program.Wait();
  CHECK(result.exit_code == 130);
  CHECK(result.err.find("checkpoint written, go on with --resume") != std::string::npos);
  CHECK(std::filesystem::exists(out + "/checkpoint/state.safetensors"));
  CHECK(Json::parse(ReadFile(out + "/summary.json")).at("status") == "interrupted");
}

TEST_CASE("a partition that was written gives the same run when it is read") {
  const TempFolder folder;
  const std::string config =
      Write(folder, "c.json", R"({"dataset": "synthetic_regression", "rounds": 2,
                                                         "partition": {"name": "dirichlet", "clients": 20}})");
  const std::string file = folder / "p.safetensors";
  const ProgramResult written = RunProgram({"partition", "--config", config, "--out", file});
  CHECK(written.exit_code == 0);
  CHECK(written.out.find("clients") != std::string::npos);
  REQUIRE(RunProgram({"--config", config, "--out", folder / "a", "--progress", "none"}).exit_code ==
          0);
  REQUIRE(RunProgram({"--config", config, "--out", folder / "b", "--progress", "none", "--set",
                      R"(partition={"name": "file", "path": ")" + file + R"("})"})
              .exit_code == 0);
  CHECK(RoundsWithoutTimes(folder / "a") == RoundsWithoutTimes(folder / "b"));
  const ProgramResult other =
      RunProgram({"--config", config, "--out", folder / "c", "--progress", "none", "--set",
                  "seed=2", "--set", R"(partition={"name": "file", "path": ")" + file + R"("})"});
  CHECK(other.exit_code == 3);
}

TEST_CASE("recorded updates are the clients' models in the order of the fold") {
  const TempFolder folder;
  const std::string config =
      Write(folder, "c.json", R"({"dataset": "synthetic_regression", "rounds": 2,
    "sampler": {"cohort": 3}, "output": {"record_updates": true}})");
  const std::string out = folder / "run";
  REQUIRE(RunProgram({"--config", config, "--out", out, "--progress", "none"}).exit_code == 0);
  CHECK(std::filesystem::exists(out + "/global-0000.safetensors"));
  for (const char* round : {"/round-0001", "/round-0002"}) {
    std::istringstream csv(ReadFile(out + round + "/clients.csv"));
    std::string line;
    std::getline(csv, line);
    CHECK(line == "client,num_examples,train_loss");
    int clients = 0;
    while (std::getline(csv, line)) {
      ++clients;
      std::string id = line.substr(0, line.find(','));
      id.insert(0, 4 - id.size(), '0');
      CHECK(std::filesystem::exists(out + round + "/client-" + id + ".safetensors"));
    }
    CHECK(clients == 3);
  }
}

TEST_CASE("flags are checked, and help and version go to stdout") {
  CHECK(RunProgram({"--version"}).out == "flsim 0.1.0\n");
  const ProgramResult help = RunProgram({"--help"});
  CHECK(help.exit_code == 0);
  for (const char* word : {"--config", "--set", "--out", "--resume", "--force", "--progress",
                           "validate", "list", "describe", "schema", "partition"}) {
    CHECK(help.out.find(word) != std::string::npos);
  }
  CHECK(RunProgram({}).exit_code == 2);
  CHECK(RunProgram({"--nonsense"}).exit_code == 2);
  CHECK(RunProgram({"describe", "strategy", "fedporx"}).exit_code == 2);
  CHECK(RunProgram({"list", "strategies"}).exit_code == 2);
  const TempFolder folder;
  const std::string config = Write(folder, "c.json", kRegression);
  const ProgramResult set = RunProgram({"validate", "--config", config, "--set", "training.lr"});
  CHECK(set.exit_code == 2);
  CHECK(set.err == "flsim: --set training.lr: expected KEY=VALUE, such as training.lr=0.1\n");
}

TEST_CASE("a mistyped command is told with the commands there are and the nearest of them") {
  const auto check = [](const std::vector<std::string>& arguments, const std::string& typo,
                        const std::string& remedy) {
    const ProgramResult result = RunProgram(arguments);
    INFO(result.err);
    CHECK(result.exit_code == 2);
    CHECK(result.out.empty());
    CHECK_THAT(result.err,
               Catch::StartsWith("flsim: unknown command '" + typo + "'; known: validate, "));
    CHECK_THAT(result.err, Catch::EndsWith("; " + remedy + "\n"));
  };
  const std::string validate = "did you mean 'validate'?";
  check({"validat"}, "validat", validate);
  check({"validat", "--resolved", "--config", "c.json"}, "validat", validate);
  check({"--config", "c.json", "validat"}, "validat", validate);
  check({"descrbe", "strategy", "fedprox"}, "descrbe", "did you mean 'describe'?");
  check({"configs/quickstart.json"}, "configs/quickstart.json",
        "a config is run with --config FILE");
  for (const auto& arguments :
       std::vector<std::vector<std::string>>{{"--resum"}, {"schema", "markdown"}}) {
    CHECK(RunProgram(arguments).err.find("unknown command") == std::string::npos);
  }
}

TEST_CASE("every shipped config is valid") {
  for (const auto& entry : std::filesystem::directory_iterator("configs")) {
    const std::string path = entry.path().string();
    if (entry.path().extension() != ".json" || entry.path().filename() == "schema.json") continue;
    const ProgramResult result = RunProgram({"validate", "--config", path});
    INFO(path << ": " << result.err);
    CHECK(result.exit_code == 0);
  }
}

}  // namespace
}  // namespace flsim
