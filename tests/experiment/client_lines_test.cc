#include "engine/experiment/client_lines.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <map>
#include <sstream>

#include "engine/core/vector_ops.h"
#include "engine/experiment/update_recorder.h"
#include "tests/experiment/run_json.h"

namespace flsim {
namespace {

using Line = std::map<std::string, std::string>;

std::vector<std::string> Fields(const std::string& line) {
  std::vector<std::string> fields(1);
  for (const char c : line) {
    if (c == ',')
      fields.emplace_back();
    else
      fields.back() += c;
  }
  return fields;
}

/// The lines of clients.csv by column.
std::vector<Line> ClientsCsv(const std::string& folder) {
  std::istringstream text(ReadFile(folder + "/clients.csv"));
  std::string line;
  std::getline(text, line);
  const std::vector<std::string> columns = Fields(line);
  std::vector<Line> lines;
  while (std::getline(text, line)) {
    const std::vector<std::string> fields = Fields(line);
    REQUIRE(fields.size() == columns.size());
    lines.emplace_back();
    for (size_t i = 0; i < fields.size(); ++i) lines.back()[columns[i]] = fields[i];
  }
  return lines;
}

TEST_CASE("clients.csv has a line for each client of each cohort, which add up to the rounds") {
  const TempFolder folder;
  const Json json = With(SmallRegression(), {{"rounds", 4}, {"training.epochs", 2}});
  RunIn(folder / "run", json);
  const auto lines = ClientsCsv(folder / "run");
  const auto rounds = RoundsWithoutTimes(folder / "run");
  size_t at = 0;
  for (size_t round = 1; round < rounds.size(); ++round) {
    int64_t examples = 0, steps = 0, bytes = 0;
    double loss = 0;
    for (const Json& client : rounds[round].at("cohort")) {
      REQUIRE(at < lines.size());
      const Line& line = lines[at++];
      CHECK(line.at("round") == std::to_string(round));
      CHECK(line.at("client") == client.dump());
      const int64_t seen = 2 * std::stoll(line.at("examples"));
      examples += seen;
      steps += std::stoll(line.at("steps"));
      bytes += std::stoll(line.at("bytes"));
      loss += static_cast<double>(seen) * std::stod(line.at("train_loss"));
      CHECK(std::stod(line.at("seconds")) > 0);
      CHECK(line.at("loss").empty());
      CHECK(line.at("accuracy").empty());
    }
    CHECK(examples == rounds[round].at("examples"));
    CHECK(steps == rounds[round].at("steps"));
    CHECK(bytes == rounds[round].at("bytes_up").get<int64_t>() +
                       rounds[round].at("bytes_down").get<int64_t>());
    CHECK(loss / static_cast<double>(examples) ==
          Approx(rounds[round].at("train_loss").get<double>()).epsilon(1e-6));
  }
  CHECK(at == lines.size());
}

TEST_CASE("update_norm and cosine are those of the recorded models") {
  const TempFolder folder;
  const std::string run = folder / "run";
  const Json json = With(SmallRegression(), {{"rounds", 1}, {"output.record_updates", true}});
  RunIn(run, json);
  const Experiment experiment(json, "test.json");
  const auto model = [&](const std::string& file) {
    at::Tensor parameters, buffers;
    LoadParameters(experiment.network(), file, parameters, buffers);
    return parameters;
  };
  const auto difference = [](const at::Tensor& a, const at::Tensor& b) {
    at::Tensor out = Uninitialized(a.numel(), a.device());
    Subtract(out, a, b);
    return out;
  };
  const at::Tensor before = model(GlobalFile(run, 0));
  const at::Tensor mean = difference(before, model(GlobalFile(run, 1)));
  const auto lines = ClientsCsv(run);
  REQUIRE(lines.size() == 5);
  for (const Line& line : lines) {
    const at::Tensor delta =
        difference(before, model(ClientFile(run, 1, std::stoll(line.at("client")))));
    const double norm = std::sqrt(SquaredNorm(delta));
    CHECK(std::stod(line.at("update_norm")) == Approx(norm).epsilon(1e-5));
    double dot = 0;
    for (int64_t i = 0; i < delta.numel(); ++i)
      dot += double{delta.const_data_ptr<float>()[i]} * mean.const_data_ptr<float>()[i];
    CHECK(std::stod(line.at("cosine")) ==
          Approx(dot / norm / std::sqrt(SquaredNorm(mean))).epsilon(1e-5));
  }
}

TEST_CASE("one step has one loss, whole batches the loss of the global model before it") {
  const TempFolder folder;
  const Json json = With(SmallRegression(), {{"rounds", 1},
                                             {"training", {{"batch_size", 0}, {"lr", 0.02}}},
                                             {"evaluation.clients", "all"}});
  RunIn(folder / "run", json);
  std::map<std::string, std::string> before;  // the initial model's, by client
  for (const Line& line : ClientsCsv(folder / "run")) {
    if (line.at("round") == "0") {
      CHECK(line.at("steps").empty());
      before[line.at("client")] = line.at("loss");
      continue;
    }
    CHECK(!line.at("loss").empty());
    if (line.at("steps").empty()) continue;  // evaluated only
    CHECK(line.at("first_loss") == line.at("last_loss"));
    CHECK(line.at("first_loss") == line.at("train_loss"));
    CHECK(std::stod(line.at("first_loss")) ==
          Approx(std::stod(before.at(line.at("client")))).epsilon(1e-5));
  }
  CHECK(before.size() == 12);
}

TEST_CASE("an interrupted run's clients.csv goes on with the same lines") {
  const Json json = With(SmallRegression(), {{"rounds", 6}, {"evaluation.clients", "cohort"}});
  const TempFolder folder;
  RunIn(folder / "whole", json);
  for (const int64_t until : {int64_t{3}, std::numeric_limits<int64_t>::max()}) {
    Experiment experiment(json, "test.json");
    RunFolder run_folder(folder / "parts", ExistingRun::kResume, experiment.resolved());
    experiment.Load();
    const std::atomic<bool> stop{false};
    Run(experiment, run_folder, {}, stop, until);
    // What a kill leaves: lines of rounds that are not in the checkpoint, the last one cut off.
    if (until == 3) {
      const std::string file = folder / "parts/clients.csv", text = ReadFile(file);
      const size_t line = text.rfind("\n3,");
      WriteFileAtomically(file, text + "4," + text.substr(line + 3) + "4,7,1");
    }
  }
  auto whole = ClientsCsv(folder / "whole"), parts = ClientsCsv(folder / "parts");
  for (auto* lines : {&whole, &parts}) {
    for (Line& line : *lines) line.erase("seconds");
  }
  CHECK(whole == parts);
}

TEST_CASE("clients.csv goes on when rounds grow, also beyond where it would be begun") {
  const auto upto = [](const std::string& folder, const Json& json, int64_t until) {
    Experiment experiment(json, "test.json");
    RunFolder run_folder(folder, ExistingRun::kResume, experiment.resolved());
    experiment.Load();
    const std::atomic<bool> stop{false};
    Run(experiment, run_folder, {}, stop, until);
    auto lines = ClientsCsv(folder);
    for (Line& line : lines) line.erase("seconds");
    return lines;
  };
  const Json json = With(SmallRegression(), {{"evaluation.clients", "cohort"}});
  for (const int rounds : {6, 20001}) {
    CAPTURE(rounds);
    const TempFolder folder;
    const Json longer = With(json, {{"rounds", rounds}});
    const auto whole = upto(folder / "whole", With(longer, {{"output.clients", "all"}}), 6);
    const auto before = upto(folder / "run", With(json, {{"rounds", 2}}), 2);
    CHECK(before.size() == 10);
    const bool same = upto(folder / "run", longer, 6) == whole;
    CHECK(same);  // too long to be shown
  }
}

TEST_CASE("clients.csv is written where it stays small, or is asked for") {
  const auto records = [](const std::vector<std::pair<std::string, Json>>& changes) {
    Experiment experiment(With(SmallRegression(), changes), "test.json");
    experiment.Load();
    const bool clients = RecordsClients(experiment);
    return std::pair(clients, clients && RecordsCosines(experiment));
  };
  const auto no = std::pair(false, false), yes = std::pair(true, true);
  CHECK(records({{"rounds", 20000}}) == yes);  // 100,000 lines
  CHECK(records({{"rounds", 20001}}) == no);
  CHECK(records({{"rounds", 20001}, {"output.clients", "all"}}) == yes);
  CHECK(records({{"output.clients", "none"}}) == no);
  CHECK(records({{"rounds", 10000}, {"evaluation.clients", "all"}}) == no);  // 12 a round
  CHECK(records({{"rounds", 10000}, {"evaluation", {{"clients", "all"}, {"every", 10}}}}) == yes);
  const Json wide = {{"name", "mlp"}, {"hidden", {40000}}};  // 280,001 parameters
  CHECK(records({{"model", wide}}) == std::pair(true, false));
  CHECK(records({{"model", wide}, {"output.clients", "all"}}) == yes);
}

}  // namespace
}  // namespace flsim
