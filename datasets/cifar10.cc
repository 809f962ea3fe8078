// CIFAR-10 (Krizhevsky, 2009, "Learning multiple layers of features from tiny images"), kept as the
// bytes of its files; normalised, cropped and flipped while a batch is gathered.
#include <algorithm>
#include <cstring>

#include "datasets/cifar10_files.h"
#include "datasets/dataset.h"

namespace flsim {
namespace {

constexpr int kSide = 32, kPlane = kSide * kSide, kChannels = 3, kPadding = 4;

/// Where a 32x32 window lies in the picture padded by 4 on each side, whether it is mirrored, and
/// whether the padding mirrors the picture (without its outermost pixels) or is 0.
struct Window {
  int top = kPadding, left = kPadding;
  bool flip = false;
  bool reflect = false;
};

/// out[c][y][x] = scale[c] * pixel + shift[c].
__attribute__((target_clones("avx2", "default"))) void Normalize(const uint8_t* image,
                                                                 const float* scale,
                                                                 const float* shift, float* out) {
  for (int c = 0; c < kChannels; ++c, image += kPlane, out += kPlane) {
    for (int i = 0; i < kPlane; ++i) out[i] = scale[c] * static_cast<float>(image[i]) + shift[c];
  }
}

/// The same for a window of the picture and its padding.
__attribute__((target_clones("avx2", "default"))) void NormalizeWindow(const uint8_t* image,
                                                                       const float* scale,
                                                                       const float* shift,
                                                                       Window window, float* out) {
  // Rows with their padding, and scale and shift of every column, 0 where the padding is: so every
  // loop has 32 steps and no condition.
  uint8_t padded[kSide][kSide + 2 * kPadding] = {};
  float a[kSide], b[kSide];
  for (int c = 0; c < kChannels; ++c, image += kPlane) {
    for (int y = 0; y < kSide; ++y) {
      uint8_t* row = padded[y] + kPadding;
      std::memcpy(row, image + y * kSide, kSide);
      for (int k = 1; window.reflect && k <= kPadding; ++k) {
        row[-k] = row[k];
        row[kSide - 1 + k] = row[kSide - 1 - k];
      }
    }
    for (int x = 0; x < kSide; ++x) {
      const int from = window.left + (window.flip ? kSide - 1 - x : x) - kPadding;
      const bool inside = window.reflect || (from >= 0 && from < kSide);
      a[x] = inside ? scale[c] : 0;
      b[x] = inside ? shift[c] : 0;
    }
    for (int y = 0; y < kSide; ++y, out += kSide) {
      int from = window.top + y - kPadding;
      if (window.reflect) from = kSide - 1 - std::abs(kSide - 1 - std::abs(from));
      if (from < 0 || from >= kSide) {
        std::fill(out, out + kSide, 0.0f);
        continue;
      }
      const uint8_t* row = padded[from] + window.left;
      if (window.flip) {
        for (int x = 0; x < kSide; ++x) {
          out[x] = a[x] * static_cast<float>(row[kSide - 1 - x]) + b[x];
        }
      } else {
        for (int x = 0; x < kSide; ++x) out[x] = a[x] * static_cast<float>(row[x]) + b[x];
      }
    }
  }
}

/// Per-channel statistics of pixels in [0, 1].
struct Normalization {
  std::vector<double> mean = {0.4914, 0.4822, 0.4465};
  std::vector<double> std = {0.2470, 0.2435, 0.2616};
  template <class V>
  void Visit(V& v) {
    v(mean, "mean", "Subtracted from red, green and blue, which are in [0, 1].");
    v(std, "std", "What red, green and blue are then divided by.", GreaterThan(0));
  }
  void Check(Problems& problems, const std::string& path) {
    for (const auto& [values, name] : {std::pair(&mean, "mean"), std::pair(&std, "std")}) {
      if (values->size() == kChannels) continue;
      problems.Add(JoinPath(path, name),
                   "needs 3 numbers (red, green, blue), got " + std::to_string(values->size()));
    }
  }
};

class Cifar10 : public Dataset {
 public:
  struct Options {
    std::string path;
    Normalization normalize;
    std::vector<std::string> augment;
    std::string crop_padding = "constant";
    template <class V>
    void Visit(V& v) {
      v(path, "path",
        "Folder of data_batch_1.bin to data_batch_5.bin and test_batch.bin; if empty, "
        "$FLSIM_DATA/cifar-10-batches-bin or $FLSIM_DATA, else data/cifar-10-batches-bin.");
      v(normalize, "normalize", "Per-channel mean and standard deviation of the pixels.");
      v(augment, "augment",
        "Random changes to training pictures: crop (4 pixels of padding on each side, then a 32x32 "
        "window), flip (left to right, every second one).",
        OneOf({"crop", "flip"}));
      v(crop_padding, "crop_padding",
        "What crop pads with: constant (the mean colour, which is 0 after normalisation) or "
        "reflect "
        "(the picture's own pixels mirrored at its border).",
        OneOf({"constant", "reflect"}));
    }
    void Check(Problems& problems, const std::string& at) {
      for (size_t i = 1; i < augment.size(); ++i) {
        if (std::find(augment.begin(), augment.begin() + i, augment[i]) != augment.begin() + i)
          problems.Add(JoinPath(at, "augment"), "names '" + augment[i] + "' twice");
      }
      path = FindCifar10Folder(path);
    }
  };

  Cifar10(const Options& options, const Context&) : options_(options) {
    facts_.task = Task::kClassification;
    facts_.input_shape = {kChannels, kSide, kSide};
    facts_.outputs = kCifar10Classes;
    for (size_t c = 0; c < kChannels; ++c) {
      scale_[c] = static_cast<float>(1 / (255 * options.normalize.std[c]));
      shift_[c] = static_cast<float>(-options.normalize.mean[c] / options.normalize.std[c]);
    }
    for (const std::string& name : options.augment) (name == "crop" ? crop_ : flip_) = true;
    reflect_ = options.crop_padding == "reflect";
  }

  const DatasetFacts& facts() const override { return facts_; }

  void Load(int threads) override {
    files_ = ReadCifar10(options_.path, threads);
    facts_.train_examples = files_.train_records * kCifar10TrainFiles;
    facts_.test_examples = files_.test_records;
    for (const Split split : {Split::kTrain, Split::kTest}) {
      std::vector<uint8_t>& labels = split == Split::kTrain ? train_labels_ : test_labels_;
      labels.resize(static_cast<size_t>(split == Split::kTrain ? facts_.train_examples
                                                               : facts_.test_examples));
      for (size_t i = 0; i < labels.size(); ++i)
        labels[i] = *Record(split, static_cast<int64_t>(i));
    }
  }

  void Gather(Split split, const int64_t* indices, int64_t n, Rng* augment,
              Batch& batch) const override {
    FLSIM_CHECK(batch.device().is_cpu(), "gathers on the CPU only");
    batch.Resize(facts_, n);
    const std::vector<uint8_t>& labels = split == Split::kTrain ? train_labels_ : test_labels_;
    for (int64_t i = 0; i < n; ++i) {
      const uint8_t* image = Record(split, indices[i]) + 1;
      float* out = batch.input_data() + i * kCifar10Pixels;
      batch.labels()[i] = labels[static_cast<size_t>(indices[i])];
      if (augment == nullptr || !(crop_ || flip_)) {
        Normalize(image, scale_, shift_, out);
        continue;
      }
      Window window;
      window.reflect = reflect_;
      if (crop_) {
        window.top = static_cast<int>(augment->Below(2 * kPadding + 1));
        window.left = static_cast<int>(augment->Below(2 * kPadding + 1));
      }
      if (flip_) window.flip = augment->Below(2) == 1;
      NormalizeWindow(image, scale_, shift_, window, out);
    }
  }

  std::vector<int32_t> TrainLabels() const override {
    return {train_labels_.begin(), train_labels_.end()};
  }

  std::vector<std::string> ClassNames() const override {
    return {"airplane", "automobile", "bird",  "cat",  "deer",
            "dog",      "frog",       "horse", "ship", "truck"};
  }

  std::string Hash() const override { return files_.hash; }

 private:
  const uint8_t* Record(Split split, int64_t index) const {
    const int64_t file = split == Split::kTest ? kCifar10TrainFiles : index / files_.train_records;
    const int64_t record = split == Split::kTest ? index : index % files_.train_records;
    return reinterpret_cast<const uint8_t*>(files_.bytes[static_cast<size_t>(file)].data()) +
           record * kCifar10Record;
  }

  Options options_;
  DatasetFacts facts_;
  float scale_[kChannels], shift_[kChannels];
  bool crop_ = false, flip_ = false, reflect_ = false;
  Cifar10Files files_;
  std::vector<uint8_t> train_labels_, test_labels_;
};

FLSIM_REGISTER(Dataset, Cifar10, "cifar10",
               "60,000 colour pictures of 32x32 pixels in 10 classes (Krizhevsky, 2009).");

}  // namespace
}  // namespace flsim
