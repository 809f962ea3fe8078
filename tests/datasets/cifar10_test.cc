#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/datasets/make.h"
#include "tests/datasets/tiny_cifar.h"
#include "tests/skip.h"
#include "tests/temp_folder.h"

namespace flsim {
namespace {

using Picture = std::vector<float>;

std::vector<Picture> Pictures(const Dataset& dataset, Split split,
                              const std::vector<int64_t>& indices, Rng* augment) {
  Batch batch(c10::kCPU);
  dataset.Gather(split, indices.data(), static_cast<int64_t>(indices.size()), augment, batch);
  std::vector<Picture> pictures;
  for (size_t i = 0; i < indices.size(); ++i) {
    const float* first = batch.input_data() + i * 3072;
    pictures.emplace_back(first, first + 3072);
  }
  return pictures;
}

Picture Mirrored(const Picture& picture) {
  Picture mirrored(picture);
  for (auto row = mirrored.begin(); row != mirrored.end(); row += 32) std::reverse(row, row + 32);
  return mirrored;
}

/// Where PyTorch's padding mode "reflect" finds pixel i of 32: -1 is 1, 32 is 30.
int Reflected(int i) { return i < 0 ? -i : i > 31 ? 62 - i : i; }

/// The 32x32 window at (top, left) of the picture inside a frame of 4 zeros, or of its reflection.
Picture WindowOf(const Picture& picture, int top, int left, bool reflect) {
  Picture window(3072, 0.0f);
  for (int c = 0; c < 3; ++c) {
    for (int y = 0; y < 32; ++y) {
      for (int x = 0; x < 32; ++x) {
        int from_y = y + top - 4, from_x = x + left - 4;
        if (reflect) from_y = Reflected(from_y), from_x = Reflected(from_x);
        if (from_y < 0 || from_y > 31 || from_x < 0 || from_x > 31) continue;
        window[static_cast<size_t>((c * 32 + y) * 32 + x)] =
            picture[static_cast<size_t>((c * 32 + from_y) * 32 + from_x)];
      }
    }
  }
  return window;
}

Json Options(const TempFolder& folder) { return {{"name", "cifar10"}, {"path", folder.path()}}; }

TEST_CASE("cifar10 tells its shapes at once and its sizes once loaded", "[cifar10]") {
  const TempFolder folder;
  WriteTinyCifar(folder.path(), 20);
  const auto dataset = MakeDataset(Options(folder));
  CHECK(dataset->facts().task == Task::kClassification);
  CHECK(dataset->facts().input_shape == std::vector<int64_t>{3, 32, 32});
  CHECK(dataset->facts().outputs == 10);
  CHECK(dataset->facts().train_examples == -1);
  CHECK(dataset->facts().test_examples == -1);
  dataset->Load(2);
  CHECK(dataset->facts().train_examples == 100);
  CHECK(dataset->facts().test_examples == 20);
  CHECK(dataset->ClassNames().size() == 10);
  CHECK(dataset->ClassNames()[3] == "cat");
  CHECK(dataset->TrainTargets().empty());
  CHECK(dataset->truth() == nullptr);
}

TEST_CASE("cifar10 gathers each example's pixels and label from its place in the files",
          "[cifar10]") {
  const TempFolder folder;
  WriteTinyCifar(folder.path(), 20);
  Json options = Options(folder);
  options["normalize"] = {{"mean", {0, 0, 0}}, {"std", {1, 1, 1}}};
  const auto dataset = LoadedDataset(options);
  const std::vector<int32_t> labels = dataset->TrainLabels();
  REQUIRE(labels.size() == 100);
  const std::vector<int64_t> indices = {99, 0, 20, 41, 99};
  Batch batch(c10::kCPU);
  for (const Split split : {Split::kTrain, Split::kTest}) {
    const int64_t n = split == Split::kTrain ? 5 : 1;
    const int64_t* first = split == Split::kTrain ? indices.data() : indices.data() + 1;
    dataset->Gather(split, first, n, nullptr, batch);
    REQUIRE(batch.size() == n);
    for (int64_t i = 0; i < n; ++i) {
      const int file = split == Split::kTest ? 5 : static_cast<int>(first[i] / 20);
      const int64_t record = first[i] % 20;
      CHECK(batch.labels()[i] == TinyCifarLabel(file, record));
      if (split == Split::kTrain)
        CHECK(labels[static_cast<size_t>(first[i])] == TinyCifarLabel(file, record));
      int wrong = 0;
      for (int64_t pixel = 0; pixel < 3072; ++pixel) {
        const float expected = static_cast<float>(TinyCifarPixel(file, record, pixel)) / 255;
        wrong += std::abs(batch.input_data()[i * 3072 + pixel] - expected) > 1e-6f;
      }
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE("cifar10 normalises with the usual mean and standard deviation of each channel",
          "[cifar10]") {
  const TempFolder folder;
  WriteTinyCifar(folder.path(), 1);
  std::string record(3073, '\0');
  record[1] = '\xFF';         // red, first row: 255, 0
  record[1 + 1024] = '\x80';  // green: 128, 0
  record[1 + 2048] = '\x01';  // blue: 1, 0
  WriteBytes(folder / "data_batch_1.bin", record);
  const auto dataset = LoadedDataset(Options(folder));
  const Picture picture = Pictures(*dataset, Split::kTrain, {0}, nullptr)[0];
  // (1 - 0.4914) / 0.2470, (128 / 255 - 0.4822) / 0.2435, (1 / 255 - 0.4465) / 0.2616, then those
  // of a black pixel.
  CHECK(picture[0] == Approx(2.0591093).epsilon(1e-6));
  CHECK(picture[1024] == Approx(0.0811531).epsilon(1e-5));
  CHECK(picture[2048] == Approx(-1.6918131).epsilon(1e-6));
  CHECK(picture[1] == Approx(-1.9894737).epsilon(1e-6));
  CHECK(picture[1025] == Approx(-1.9802875).epsilon(1e-6));
  CHECK(picture[2049] == Approx(-1.7068043).epsilon(1e-6));
}

TEST_CASE("cifar10 flips every second picture, and flipping twice gives it back", "[cifar10]") {
  const TempFolder folder;
  WriteTinyCifar(folder.path(), 1);
  Json options = Options(folder);
  options["augment"] = "flip";
  const auto dataset = LoadedDataset(options);
  const Picture original = Pictures(*dataset, Split::kTrain, {3}, nullptr)[0];
  REQUIRE(Mirrored(original) != original);
  Rng rng(1, Stream{"augment"});
  int flipped = 0;
  for (const Picture& picture :
       Pictures(*dataset, Split::kTrain, std::vector<int64_t>(1000, 3), &rng)) {
    if (picture == original) continue;
    ++flipped;
    REQUIRE(Mirrored(picture) == original);
  }
  CHECK(flipped > 400);
  CHECK(flipped < 600);
}

TEST_CASE("cifar10 crops windows of the padded picture, all 81 of them", "[cifar10]") {
  const bool flip = GENERATE(false, true), reflect = GENERATE(false, true);
  const TempFolder folder;
  WriteTinyCifar(folder.path(), 1);
  Json options = Options(folder);
  options["augment"] = flip ? Json{"crop", "flip"} : Json{"crop"};
  if (reflect) options["crop_padding"] = "reflect";
  const auto dataset = LoadedDataset(options);
  const Picture original = Pictures(*dataset, Split::kTrain, {2}, nullptr)[0];
  std::vector<Picture> windows;
  for (int window = 0; window < 81; ++window)
    windows.push_back(WindowOf(original, window / 9, window % 9, reflect));
  const auto number = [&](const Picture& picture) {
    return std::find(windows.begin(), windows.end(), picture) - windows.begin();
  };

  Rng rng(1, Stream{"augment"});
  std::vector<int> plain(82), mirrored(82);
  for (const Picture& picture :
       Pictures(*dataset, Split::kTrain, std::vector<int64_t>(4000, 2), &rng)) {
    const auto window = static_cast<size_t>(number(picture));
    if (window < 81)
      ++plain[window];
    else
      ++mirrored[static_cast<size_t>(number(Mirrored(picture)))];
  }
  CHECK(mirrored[81] == 0);  // neither a window nor a mirrored one
  CHECK(std::count(plain.begin(), plain.end() - 1, 0) == 0);
  CHECK(std::count(mirrored.begin(), mirrored.end() - 1, 0) == (flip ? 0 : 81));
}

TEST_CASE("cifar10 leaves pictures as they are where it gets no random numbers", "[cifar10]") {
  const TempFolder folder;
  WriteTinyCifar(folder.path(), 4);
  Json options = Options(folder);
  const std::vector<int64_t> all = {0, 1, 2, 3};
  const auto plain = Pictures(*LoadedDataset(options), Split::kTest, all, nullptr);
  options["augment"] = {"crop", "flip"};
  const auto dataset = LoadedDataset(options);
  CHECK(Pictures(*dataset, Split::kTest, all, nullptr) == plain);
  Rng a(1, Stream{"augment"}), again(1, Stream{"augment"}), other(2, Stream{"augment"});
  const auto drawn = Pictures(*dataset, Split::kTest, all, &a);
  CHECK(drawn != plain);
  CHECK(Pictures(*dataset, Split::kTest, all, &again) == drawn);
  CHECK(Pictures(*dataset, Split::kTest, all, &other) != drawn);
}

TEST_CASE("cifar10 hashes to the same for equal files, and to another for any other byte",
          "[cifar10]") {
  const TempFolder folder, copy;
  WriteTinyCifar(folder.path(), 3);
  WriteTinyCifar(copy.path(), 3);
  const std::string hash = LoadedDataset(Options(folder), 1, 1)->Hash();
  CHECK(hash.size() == 64);
  CHECK(LoadedDataset(Options(copy), 2, 4)->Hash() == hash);
  std::string bytes = TinyCifarBytes(5, 3);
  bytes.back() ^= 1;
  WriteBytes(copy / "test_batch.bin", bytes);
  CHECK(LoadedDataset(Options(copy))->Hash() != hash);
}

TEST_CASE("The real CIFAR-10 has balanced classes and, normalised, mean 0 and variance 1",
          "[cifar10]") {
  if (std::getenv("FLSIM_DATA") == nullptr) return Skip("FLSIM_DATA names no data");
  const auto dataset = MakeDataset("cifar10");
  try {
    dataset->Load(2);
  } catch (const DataError& error) {
    return Skip(error.what());
  }
  REQUIRE(dataset->facts().train_examples == 50000);
  REQUIRE(dataset->facts().test_examples == 10000);
  const std::vector<int32_t> labels = dataset->TrainLabels();
  for (int32_t label = 0; label < 10; ++label)
    CHECK(std::count(labels.begin(), labels.end(), label) == 5000);
  std::vector<int64_t> indices;
  for (int64_t i = 0; i < 50000; i += 25) indices.push_back(i);
  double sum = 0, squares = 0;
  for (const Picture& picture : Pictures(*dataset, Split::kTrain, indices, nullptr)) {
    for (const float value : picture) {
      sum += static_cast<double>(value);
      squares += static_cast<double>(value) * static_cast<double>(value);
    }
  }
  CHECK(std::abs(sum / (2000.0 * 3072)) < 0.03);
  CHECK(squares / (2000.0 * 3072) == Approx(1).epsilon(0.05));
}

}  // namespace
}  // namespace flsim
