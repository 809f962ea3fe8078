// clients.csv and partition.csv, as a report reads them.
#include <catch2/catch.hpp>

#include "engine/analysis/client_records.h"
#include "engine/analysis/partition_table.h"
#include "engine/core/error.h"
#include "engine/core/files.h"
#include "tests/temp_folder.h"

namespace flsim {
namespace {

using Values = std::vector<double>;

TEST_CASE("each client counts with its latest evaluation, and every training with its seconds") {
  const TempFolder folder;
  CHECK_FALSE(ReadClientRecords(folder.path().string()));
  WriteFileAtomically(folder / "clients.csv",
                      "round,client,examples,steps,train_loss,first_loss,last_loss,update_norm,"
                      "cosine,bytes,seconds,loss,accuracy\n"
                      "1,0,10,2,1.5,2,1,0.1,0.9,80,0.25,,\n"
                      "1,3,20,2,1.5,2,1,0.1,0.9,80,0.125,,\n"
                      "2,0,10,,,,,,,,,0.5,0.75\n"
                      "2,3,20,,,,,,,,,0.9,0.5\n"
                      "4,0,10,2,1.5,2,1,0.1,0.9,80,0.5,0.25,0.875\n"
                      "4,7,1");  // being written
  const auto records = ReadClientRecords(folder.path().string());
  REQUIRE(records);
  CHECK(records->accuracies == Values{0.5, 0.875});
  CHECK(records->losses == Values{0.25, 0.9});
  CHECK(records->seconds == Values{0.125, 0.25, 0.5});
}

TEST_CASE("a table with one line a client is read, too") {
  const TempFolder folder;
  WriteFileAtomically(folder / "clients.csv", "client,examples,loss,accuracy\n4,9,1.5,0.25\n");
  CHECK(ReadClientRecords(folder.path().string())->accuracies == Values{0.25});
}

TEST_CASE("damaged tables are refused with their line") {
  const TempFolder folder;
  const std::string clients = folder / "clients.csv", partition = folder / "partition.csv";
  const auto clients_error = [&](const std::string& text) {
    WriteFileAtomically(clients, text);
    return ErrorOf<DataError>([&] { ReadClientRecords(folder.path().string()); });
  };
  CHECK(clients_error("") == clients + " has no header; the file is damaged");
  CHECK(clients_error("id,loss\n1,2\n") == clients + " has no column client");
  CHECK(clients_error("client,loss\n1,2\n3\n") ==
        clients + ", line 3, has 1 fields, its header has 2; the file is damaged");
  CHECK(clients_error("client,loss\n1,low\n") ==
        clients + ", line 2, has no number as loss: \"low\"; the file is damaged");
  CHECK(clients_error("client,loss\n1.5,2\n") ==
        clients + ", line 2, has no whole number as client: \"1.5\"; the file is damaged");
  const auto partition_error = [&](const std::string& text) {
    WriteFileAtomically(partition, text);
    return ErrorOf<DataError>([&] { ReadPartitionTable(partition); });
  };
  CHECK(partition_error("client,examples,a,b\n0,3,1,1\n") ==
        partition + ": client 0 has 3 examples, its labels add up to 2; the file is damaged");
  CHECK(partition_error("client,examples\n1,3\n") ==
        partition + ": client 1 stands where client 0 should; the file is damaged");
  CHECK(partition_error("client,examples\n") == partition + " has no client; the file is damaged");
  CHECK(partition_error("client,a,examples\n0,1,1\n") ==
        partition + " has to begin with the columns client,examples");
}

TEST_CASE("a partition's table measures as the partition itself") {
  // Clients {0, 1}, {2}, {3, 4, 5, 6, 7} with labels 0 0 | 1 | 0 1 2 3 3.
  const Partition partition = {{0, 2, 3, 8}, {0, 1, 2, 3, 4, 5, 6, 7}};
  PartitionInput input;
  input.examples = 8;
  input.classes = 4;
  input.labels = {0, 0, 1, 0, 1, 2, 3, 3};
  const PartitionTable counted = CountLabels(partition, input, {"cat", "a \"dog\", small"});
  CHECK(counted.labels == std::vector<std::string>{"cat", "a \"dog\", small", "2", "3"});
  CHECK(counted.examples == std::vector<int64_t>{2, 1, 5});
  CHECK(counted.counts == std::vector<int64_t>{2, 0, 0, 0, 0, 1, 0, 0, 1, 1, 1, 2});

  const TempFolder folder;
  WriteFileAtomically(folder / "partition.csv",
                      "client,examples,cat,\"a \"\"dog\"\", small\",2,3\r\n"
                      "0,2,2,0,0,0\r\n1,1,0,1,0,0\r\n2,5,1,1,1,2\r\n");
  const PartitionTable read = ReadPartitionTable(folder / "partition.csv");
  CHECK(read.labels == counted.labels);
  CHECK(read.counts == counted.counts);
  const PartitionStatistics s = MeasureTable(read), expected = MeasurePartition(partition, input);
  CHECK(s.size_gini == expected.size_gini);
  CHECK(s.label_distance == expected.label_distance);
  CHECK(s.effective_classes == expected.effective_classes);
}

TEST_CASE("a large partition is shown in bins of neighbours that add up to the whole") {
  PartitionTable table;
  table.labels = {"even", "odd"};
  for (int64_t k = 0; k < 2500; ++k) {
    table.examples.push_back(k + 1);
    table.counts.push_back((k + 1) / 2);
    table.counts.push_back(k + 1 - (k + 1) / 2);
  }
  const Json json = PartitionJson(table, MeasureTable(table));
  REQUIRE(json.at("examples").size() == 1000);
  REQUIRE(json.at("counts").size() == 2);
  int64_t sum = 0;
  for (const Json& size : json.at("examples")) sum += size.get<int64_t>();
  CHECK(sum == 2500 * 2501 / 2);
  CHECK(json.at("examples")[0] == 1 + 2 + 3);  // clients 0, 1, 2
  CHECK(json.at("measures").at("clients") == 2500);
}

TEST_CASE("values are spread evenly over their order when there are too many") {
  CHECK(EvenlySpread({1, 2, 3}, 3) == Values{1, 2, 3});
  CHECK(EvenlySpread({0, 1, 2, 3, 4, 5, 6}, 4) == Values{0, 2, 4, 6});
}

}  // namespace
}  // namespace flsim
