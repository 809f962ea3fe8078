#include "engine/experiment/tensorboard.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "tests/datasets/tiny_cifar.h"
#include "tests/experiment/event_reader.h"
#include "tests/experiment/run_json.h"

namespace flsim {
namespace {
namespace fs = std::filesystem;

Json Recorded(int rounds) {
  return With(SmallRegression(),
              {{"rounds", rounds}, {"output.tensorboard", true}, {"evaluation.clients", "cohort"}});
}

/// The scalars that a line of rounds.jsonl should become.
std::map<std::string, float> Expected(const Json& line) {
  std::map<std::string, float> scalars;
  const auto add = [&](const std::string& tag, const Json& value) {
    scalars[tag] = static_cast<float>(value.get<double>());
  };
  for (const auto& [key, tag] : {std::pair{"train_loss", "train/loss"},
                                 {"test_loss", "test/loss"},
                                 {"test_accuracy", "test/accuracy"},
                                 {"test_mse", "test/mse"},
                                 {"test_r2", "test/r2"},
                                 {"examples", "round/examples"},
                                 {"steps", "round/steps"},
                                 {"update_norm", "round/update_norm"},
                                 {"bytes_up", "bytes/up"},
                                 {"bytes_down", "bytes/down"},
                                 {"wall_s", "time/round_s"},
                                 {"evaluation_s", "time/evaluation_s"}}) {
    if (line.contains(key)) add(tag, line.at(key));
  }
  if (line.contains("cohort")) add("round/clients", line.at("cohort").size());
  for (const std::string key : {"client_loss", "client_accuracy"}) {
    if (!line.contains(key)) continue;
    for (const auto& item : line.at(key).items()) add(key + "/" + item.key(), item.value());
  }
  return scalars;
}

/// TensorBoard shows every round of rounds.jsonl once, with its figures.
void CheckShown(const std::string& folder) {
  std::istringstream lines(ReadFile(folder + "/rounds.jsonl"));
  const std::vector<ReadEvent> events = ShownEvents(folder);
  size_t at = 0;
  for (std::string line; std::getline(lines, line); ++at) {
    REQUIRE(at < events.size());
    CHECK(events[at].step == static_cast<int64_t>(at));
    CHECK(events[at].scalars == Expected(Json::parse(line)));
    CHECK(events[at].wall_time >= (at > 0 ? events[at - 1].wall_time : 1.6e9));
  }
  CHECK(at == events.size());
}

// Made by RecordWriter of tensorboard 2.21.0.
TEST_CASE("the reader of these tests reads what TensorBoard's own writer has written") {
  const std::string hex =
      "2400000000000000422b804d09000000000000f83f10ac022a160a140a0d746573742f616363757261637915"
      "0000803e54bd1d49"
      "06000000000000007369d53710033a020801a6fbd1b8";
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2)
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  const std::vector<std::string> records = ReadTfRecords(bytes);
  REQUIRE(records.size() == 2);
  const ReadEvent scalar = ParseEvent(records[0]), start = ParseEvent(records[1]);
  CHECK(scalar.wall_time == 1.5);
  CHECK(scalar.step == 300);
  CHECK(scalar.scalars == std::map<std::string, float>{{"test/accuracy", 0.25f}});
  CHECK(start.starts_session);
  CHECK(start.step == 3);
}

TEST_CASE("TensorBoard gets the figures of rounds.jsonl, and nothing unless it is asked for") {
  const TempFolder data, folder;
  RunIn(folder / "regression", Recorded(3));
  CHECK(EventFiles(folder / "regression").size() == 1);
  CheckShown(folder / "regression");
  WriteTinyCifar(data.path(), 24);
  RunIn(folder / "images", With(SmallImages(data.path().string()), {{"output.tensorboard", true},
                                                                    {"evaluation.every", 2},
                                                                    {"evaluation.clients", "all"},
                                                                    {"rounds", 3}}));
  CheckShown(folder / "images");
  CHECK(ShownEvents(folder / "images").back().scalars.count("client_accuracy/worst_tenth") == 1);
  RunIn(folder / "none", SmallRegression());
  CHECK(EventFiles(folder / "none").empty());
}

TEST_CASE("an event file begins with its version and the start of a session") {
  const TempFolder folder;
  RunIn(folder / "run", Recorded(1));
  const auto records =
      ReadTfRecords(ReadFile(folder / ("run/" + EventFiles(folder / "run").at(0))));
  REQUIRE(records.size() == 4);
  CHECK(ParseEvent(records[0]).file_version == "brain.Event:2");
  CHECK(ParseEvent(records[1]).starts_session);
  // Time and step, then SessionLog {status: START}.
  CHECK(records[1].substr(9) == std::string("\x10\x00\x3a\x02\x08\x01", 6));
}

TEST_CASE("rounds that are run again after a resumption are shown once") {
  const TempFolder folder;
  const std::string run = folder / "run", kept = folder / "kept";
  RunIn(run, Recorded(3));
  fs::copy(run + "/checkpoint", kept, fs::copy_options::recursive);
  RunIn(run, Recorded(6), ExistingRun::kResume);
  // What kill -9 leaves: the checkpoint of round 3, and records of later rounds.
  fs::remove_all(run + "/checkpoint");
  fs::copy(kept, run + "/checkpoint", fs::copy_options::recursive);
  RunIn(run, Recorded(8), ExistingRun::kResume);
  CHECK(EventFiles(run).size() == 3);
  CheckShown(run);
  // Nothing to do, no file.
  RunIn(run, Recorded(8), ExistingRun::kResume);
  CHECK(EventFiles(run).size() == 3);
  // No checkpoint: it starts over.
  fs::remove_all(run + "/checkpoint");
  RunIn(run, Recorded(8), ExistingRun::kResume);
  CheckShown(run);
}

TEST_CASE("a new event file comes last by name, whatever the clock says") {
  const TempFolder folder;
  const std::string future = folder / "events.out.tfevents.9000000000.flsim";
  WriteFileAtomically(future, "");
  TensorBoard(folder.path().string()).Round({});
  CHECK(EventFiles(folder.path().string()).back() == "events.out.tfevents.9000000001.flsim");
}

TEST_CASE("a replaced run leaves no events, and others' event files stay") {
  const TempFolder folder;
  const std::string run = folder / "run";
  RunIn(run, Recorded(3));
  const std::string foreign = "events.out.tfevents.1700000000.laptop.77.0";
  WriteFileAtomically(run + "/" + foreign, "");
  RunIn(run, SmallRegression(), ExistingRun::kReplace);
  CHECK(EventFiles(run) == std::vector<std::string>{foreign});
}

TEST_CASE("output.tensorboard may change when a run is resumed") {
  const TempFolder folder;
  const std::string run = folder / "run";
  RunIn(run, With(Recorded(2), {{"output.tensorboard", false}}));
  RunIn(run, Recorded(4), ExistingRun::kResume);
  const std::vector<ReadEvent> events = ShownEvents(run);
  REQUIRE(events.size() == 2);
  CHECK(events.front().step == 3);
}

TEST_CASE("an event file that can't be written is a data error") {
  TensorBoard sink("/nowhere");
  const std::string error = ErrorOf<DataError>([&] { sink.Round({}); });
  CHECK(error.rfind("can't write /nowhere/events.out.tfevents.", 0) == 0);
  CHECK_THAT(error, Catch::EndsWith(".flsim: No such file or directory"));
}

}  // namespace
}  // namespace flsim
