#include "models/network.h"

#include <catch2/catch.hpp>

#include "tests/models/make.h"

namespace flsim {
namespace {

/// "name [shape]" of each tensor.
std::vector<std::string> Tensors(const ParameterLayout& layout) {
  std::vector<std::string> lines;
  for (const ParameterSlot& slot : layout.slots()) {
    std::string shape;
    for (const int64_t size : slot.shape)
      shape += (shape.empty() ? "" : ",") + std::to_string(size);
    lines.push_back(slot.name + " [" + shape + "]");
  }
  return lines;
}

std::string ErrorOf(const std::string& model, const DatasetFacts& facts) {
  try {
    Build(model, facts);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "no error";
}

std::string LayersError(const std::string& layers, const DatasetFacts& facts) {
  return ErrorOf(R"({"name": "sequential", "layers": )" + layers + "}", facts);
}

using Lines = std::vector<std::string>;

TEST_CASE("the models have the published numbers of parameters") {
  CHECK(Build(R"("lenet")", Images(32)).parameters.size() == 62006);
  CHECK(Build(R"("cnn")", Images(32)).parameters.size() == 1626442);
  CHECK(Build(R"("resnet18")", Images(32)).parameters.size() == 11173962);
  CHECK(Build(R"({"name": "resnet18", "norm": "batch"})", Images(32)).parameters.size() ==
        11173962);
  CHECK(Build(R"("softmax")", Images(32)).parameters.size() == 30730);
  CHECK(Build(R"("linear")", Regression(10)).parameters.size() == 11);
  // McMahan et al. (2017) give 199,210 for their 2NN on MNIST.
  CHECK(Build(R"("mlp")", Images(28, 10, 1)).parameters.size() == 199210);
}

TEST_CASE("tensors have PyTorch's names and shapes, in the order of the layers") {
  CHECK(Tensors(Build(R"("linear")", Regression(10)).parameters) ==
        Lines{"linear.weight [1,10]", "linear.bias [1]"});
  CHECK(Tensors(Build(R"("softmax")", Images(32)).parameters) ==
        Lines{"linear.weight [10,3072]", "linear.bias [10]"});
  CHECK(Tensors(Build(R"({"name": "mlp", "hidden": [7]})", Features(4, 3)).parameters) ==
        Lines{"fc1.weight [7,4]", "fc1.bias [7]", "fc2.weight [3,7]", "fc2.bias [3]"});
  CHECK(Tensors(Build(R"({"name": "mlp", "hidden": []})", Regression(4)).parameters) ==
        Lines{"fc1.weight [1,4]", "fc1.bias [1]"});
  CHECK(Tensors(Build(R"("lenet")", Images(32)).parameters) ==
        Lines{"conv1.weight [6,3,5,5]", "conv1.bias [6]", "conv2.weight [16,6,5,5]",
              "conv2.bias [16]", "fc1.weight [120,400]", "fc1.bias [120]", "fc2.weight [84,120]",
              "fc2.bias [84]", "fc3.weight [10,84]", "fc3.bias [10]"});
  CHECK(Tensors(Build(R"("cnn")", Images(32)).parameters) ==
        Lines{"conv1.weight [32,3,3,3]", "conv1.bias [32]", "conv2.weight [64,32,3,3]",
              "conv2.bias [64]", "fc1.weight [128,12544]", "fc1.bias [128]", "fc2.weight [10,128]",
              "fc2.bias [10]"});
}

TEST_CASE("resnet18 has torchvision's names, and buffers with batch norm only") {
  const Network batch = Build(R"({"name": "resnet18", "norm": "batch"})", Images(32));
  const Lines names = Tensors(batch.parameters);
  CHECK(names.size() == 62);
  CHECK(Lines(names.begin(), names.begin() + 9) ==
        Lines{"conv1.weight [64,3,3,3]", "bn1.weight [64]", "bn1.bias [64]",
              "layer1.0.conv1.weight [64,64,3,3]", "layer1.0.bn1.weight [64]",
              "layer1.0.bn1.bias [64]", "layer1.0.conv2.weight [64,64,3,3]",
              "layer1.0.bn2.weight [64]", "layer1.0.bn2.bias [64]"});
  CHECK(Lines(names.begin() + 15, names.begin() + 24) ==
        Lines{"layer2.0.conv1.weight [128,64,3,3]", "layer2.0.bn1.weight [128]",
              "layer2.0.bn1.bias [128]", "layer2.0.conv2.weight [128,128,3,3]",
              "layer2.0.bn2.weight [128]", "layer2.0.bn2.bias [128]",
              "layer2.0.downsample.0.weight [128,64,1,1]", "layer2.0.downsample.1.weight [128]",
              "layer2.0.downsample.1.bias [128]"});
  CHECK(Lines(names.end() - 2, names.end()) == Lines{"fc.weight [10,512]", "fc.bias [10]"});
  const Lines buffers = Tensors(batch.buffers);
  CHECK(buffers.size() == 40);
  CHECK(Lines(buffers.begin(), buffers.begin() + 3) ==
        Lines{"bn1.running_mean [64]", "bn1.running_var [64]", "layer1.0.bn1.running_mean [64]"});
  const Network group = Build(R"("resnet18")", Images(32));
  CHECK(Tensors(group.parameters) == names);
  CHECK(group.buffers.size() == 0);
}

TEST_CASE("layers without an id are named by their position, as in nn.Sequential") {
  const Network network = BuildLayers(
      R"([{"name": "conv", "channels": 4}, "relu",
          {"name": "residual",
           "body": [{"name": "conv", "channels": 4, "padding": 1}, {"name": "batch_norm", "id": "n"}],
           "shortcut": [{"name": "conv", "channels": 4, "kernel": 1, "bias": false}]},
          "flatten", "linear"])",
      Images(6, 2));
  CHECK(Tensors(network.parameters) ==
        Lines{"0.weight [4,3,3,3]", "0.bias [4]", "2.body.0.weight [4,4,3,3]", "2.body.0.bias [4]",
              "2.n.weight [4]", "2.n.bias [4]", "2.shortcut.0.weight [4,4,1,1]", "4.weight [2,64]",
              "4.bias [2]"});
  CHECK(Tensors(network.buffers) == Lines{"2.n.running_mean [4]", "2.n.running_var [4]"});
}

TEST_CASE("shapes follow PyTorch's formulas for kernel, stride and padding") {
  const auto output = [](const std::string& layer) {
    const Network network = BuildLayers("[" + layer + R"(, "flatten", "linear"])", Images(11, 2));
    return network.layers[0].output;
  };
  CHECK(output(R"({"name": "conv", "channels": 5, "kernel": 3})") == Shape{5, 9, 9});
  CHECK(output(R"({"name": "conv", "channels": 5, "kernel": 3, "stride": 2, "padding": 1})") ==
        Shape{5, 6, 6});
  CHECK(output(R"("max_pool")") == Shape{3, 5, 5});
  CHECK(output(R"({"name": "max_pool", "kernel": 3, "stride": 1})") == Shape{3, 9, 9});
  CHECK(output(R"({"name": "avg_pool", "kernel": 3})") == Shape{3, 3, 3});
  CHECK(output(R"({"name": "avg_pool", "kernel": 0})") == Shape{3, 1, 1});
  CHECK(output(R"("relu")") == Shape{3, 11, 11});
}

TEST_CASE("layers that do not fit are refused with their place and the remedy") {
  const DatasetFacts images = Images(8);
  CHECK(LayersError(R"(["relu", "linear"])", images) ==
        "model.layers[1] (linear): needs a flat input, got 3x8x8; put flatten before it");
  CHECK(LayersError(R"(["flatten", "conv"])", images) ==
        "model.layers[1] (conv): needs an image [channels, height, width], got 192 values in a "
        "row");
  CHECK(LayersError(R"(["max_pool", {"name": "conv", "kernel": 5}])", images) ==
        "model.layers[1] (conv): kernel 5 is larger than its input 3x4x4");
  CHECK(LayersError(R"([{"name": "conv", "kernel": 11, "padding": 1}])", images) ==
        "model.layers[0] (conv): kernel 11 is larger than its input 3x8x8 with padding 1");
  CHECK(LayersError(R"([{"name": "avg_pool", "kernel": 9}])", images) ==
        "model.layers[0] (avg_pool): kernel 9 is larger than its input 3x8x8");
  CHECK(LayersError(R"([{"name": "group_norm", "groups": 2}])", images) ==
        "model.layers[0] (group_norm): groups 2 must divide the 3 channels of its input");
  CHECK(
      LayersError(R"([{"name": "residual", "body": [{"name": "conv", "channels": 6}]}])", images) ==
      "model.layers[0] (residual): body gives 6x6x6 but shortcut gives 3x8x8; they are added "
      "and must be equal");
  CHECK(LayersError(R"([{"name": "residual", "body": ["relu", {"name": "linear"}]}])", images) ==
        "model.layers[0].body[1] (linear): needs a flat input, got 3x8x8; put flatten before it");
  CHECK(LayersError(R"(["flatten", {"name": "linear", "id": "a"}, {"name": "linear", "id": "a"}])",
                    images) ==
        "model.layers[2] (linear): id \"a\" is taken by an earlier layer; give each layer its own");
  CHECK(LayersError(R"(["flatten", {"name": "linear", "id": "a b"}])", images) ==
        "model.layers[1] (linear): id \"a b\" may have letters, digits, '_' and '.' only");
}

TEST_CASE("a network whose end does not fit the data is refused") {
  CHECK(LayersError(R"(["flatten", {"name": "linear", "features": 7}])", Images(8)) ==
        "model.layers: the last layer gives 7 values, but 10 (one for each class of the data set) "
        "are needed; end with a linear layer without \"features\"");
  CHECK(LayersError(R"(["relu"])", Regression(3)) ==
        "model.layers: the last layer gives 3 values, but 1 (a regression's prediction) are "
        "needed; end with a linear layer without \"features\"");
  CHECK(LayersError(R"(["relu"])", Regression(1)) ==
        "model.layers: no layer has parameters, so there is nothing to train");
  CHECK(LayersError("[]", Regression(1)) ==
        "test has 1 problem\n  model.layers: needs at least one layer, such as [\"flatten\", "
        "\"linear\"]");
}

TEST_CASE("a network too large to hold is refused") {
  const std::string huge = R"({"name": "linear", "features": 16777216})";
  CHECK(LayersError("[" + huge + ", " + huge + R"(, "linear"])", Features(10, 2)) ==
        "model.layers[1] (linear): 1.weight has 16777216x16777216 elements; a network may have at "
        "most 2147483647 in all");
  CHECK(LayersError(
            R"([{"name": "conv", "channels": 65536, "kernel": 1, "padding": 1024}, "flatten"])",
            Images(32)) ==
        "model.layers[0] (conv): makes 65536x2080x2080 values of one example, more than the "
        "2147483647 that flsim can hold");
  // Each fits, the sum does not.
  const std::string large = R"({"name": "linear", "features": 40000})";
  CHECK(
      LayersError("[" + large + ", " + large + ", " + large + R"(, "linear"])", Features(10, 2)) ==
      "model.layers[2] (linear): 2.weight has 40000x40000 elements; a network may have at most "
      "2147483647 in all");
}

TEST_CASE("named models say what data they need") {
  CHECK(ErrorOf(R"("lenet")", Regression(10)) ==
        "model: lenet needs images [channels, height, width], the data set gives [10]");
  CHECK(ErrorOf(R"("cnn")", Features(10, 2)) ==
        "model: cnn needs images [channels, height, width], the data set gives [10]");
  CHECK(ErrorOf(R"("resnet18")", Features(10, 2)) ==
        "model: resnet18 needs images [channels, height, width], the data set gives [10]");
  CHECK(ErrorOf(R"("linear")", Features(10, 2)) ==
        "model: linear is for regression, the data set has classes; use softmax");
  CHECK(ErrorOf(R"("softmax")", Regression(10)) ==
        "model: softmax is for classification, the data set's target is a number; use linear");
  CHECK(ErrorOf(R"({"name": "resnet18", "groups": 3})", Images(32)) ==
        "test has 1 problem\n  model.groups: must divide the 64 channels of the first stage, got "
        "3");
  CHECK(ErrorOf(R"("lenet")", Images(11)) ==
        "model.layers[3] (conv): kernel 5 is larger than its input 6x3x3");
}

TEST_CASE("a network is described as a table") {
  CHECK(DescribeNetwork(Build(R"("lenet")", Images(32))) ==
        "layer  kind      output    parameters\n"
        "       input     3x32x32\n"
        "conv1  conv      6x28x28          456\n"
        "1      relu      6x28x28\n"
        "2      max_pool  6x14x14\n"
        "conv2  conv      16x10x10       2,416\n"
        "4      relu      16x10x10\n"
        "5      max_pool  16x5x5\n"
        "6      flatten   400\n"
        "fc1    linear    120           48,120\n"
        "8      relu      120\n"
        "fc2    linear    84            10,164\n"
        "10     relu      84\n"
        "fc3    linear    10               850\n"
        "total                          62,006\n");
}

TEST_CASE("dropout is found wherever it stands") {
  CHECK(Build(R"("cnn")", Images(32)).HasDropout());
  CHECK_FALSE(Build(R"("lenet")", Images(32)).HasDropout());
  CHECK(
      BuildLayers(R"(["flatten", {"name": "residual", "body": ["dropout"]}, "linear"])", Images(8))
          .HasDropout());
  CHECK_FALSE(
      BuildLayers(R"([{"name": "dropout", "p": 0}, "linear"])", Features(8, 2)).HasDropout());
}

}  // namespace
}  // namespace flsim
