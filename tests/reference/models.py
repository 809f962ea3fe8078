"""Writes tests/models/reference.h: loss, gradients and buffers of every model, computed by PyTorch.

Run once: python tests/reference/models.py > tests/models/reference.h
Inputs, labels and parameters come from the same hash in both languages (see Noise in
tests/models/make.h), so no data need to be exchanged.
"""
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(1)


def noise(first, n):
    """n numbers, uniform in [-0.5, 0.5): SplitMix64's finaliser of first, first + 1, ..."""
    with np.errstate(over="ignore"):
        x = np.arange(first, first + n, dtype=np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x = x ^ (x >> np.uint64(31))
    return (x >> np.uint64(11)).astype(np.float64) * 2.0**-53 - 0.5


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 6, 5), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2).flatten(1)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(3072, 200), nn.Linear(200, 200), nn.Linear(200, 10)

    def forward(self, x):
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x.flatten(1))))))


class Cnn(nn.Module):
    """Without dropout: its loss is taken in evaluation mode."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 32, 3), nn.Conv2d(32, 64, 3)
        self.fc1, self.fc2 = nn.Linear(12544, 128), nn.Linear(128, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv2(F.relu(self.conv1(x)))), 2).flatten(1)
        return self.fc2(F.relu(self.fc1(x)))


class Block(nn.Module):
    def __init__(self, before, channels, stride, norm):
        super().__init__()
        self.conv1 = nn.Conv2d(before, channels, 3, stride, 1, bias=False)
        self.bn1 = norm(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = norm(channels)
        self.downsample = nn.Sequential()
        if stride != 1:
            self.downsample = nn.Sequential(nn.Conv2d(before, channels, 1, stride, bias=False), norm(channels))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + self.downsample(x))


class ResNet18(nn.Module):
    def __init__(self, norm):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False), norm(64)
        self.layer1 = nn.Sequential(Block(64, 64, 1, norm), Block(64, 64, 1, norm))
        self.layer2 = nn.Sequential(Block(64, 128, 2, norm), Block(128, 128, 1, norm))
        self.layer3 = nn.Sequential(Block(128, 256, 2, norm), Block(256, 256, 1, norm))
        self.layer4 = nn.Sequential(Block(256, 512, 2, norm), Block(512, 512, 1, norm))
        self.fc = nn.Linear(512, 10)

    def forward(self, x):
        x = self.layer4(self.layer3(self.layer2(self.layer1(F.relu(self.bn1(self.conv1(x)))))))
        return self.fc(x.mean((2, 3)))


class Regions(nn.Module):
    """What the others leave out: padding, strides, average pools, batch norm on images and vectors."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 2, 1, 1, bias=False)
        self.d, self.e, self.f = nn.GroupNorm(4, 8), nn.Linear(392, 20), nn.BatchNorm1d(20)
        self.g = nn.Linear(20, 10, bias=False)

    def forward(self, x):
        x = F.avg_pool2d(F.relu(self.b(self.a(x))), 3, 1)
        x = F.max_pool2d(self.d(self.c(x)), 3, 2)
        return self.g(F.relu(self.f(self.e(x.flatten(1)))))


def fill(model):
    """Noise for every tensor, in the order of the layer list: scaled as PyTorch would draw it; norms around 1 and 0."""
    first = 0
    with torch.no_grad():
        for p in model.parameters():
            values = noise(first, p.numel())
            first += p.numel()
            if p.dim() > 1:
                values = values * 2 / np.sqrt(p.numel() / p.shape[0])
            p.copy_(torch.tensor(values.astype(np.float32)).view_as(p))
        for module in model.modules():
            if isinstance(module, (nn.BatchNorm2d, nn.BatchNorm1d, nn.GroupNorm)):
                module.weight += 1


def show(name, values):
    print(f"constexpr double k{name}[] = {{" + ", ".join(f"{v:.9g}" for v in values) + "};")


def main():
    print("// Written by tests/reference/models.py with PyTorch " + torch.__version__.split("+")[0] + ".")
    print("// clang-format off")
    print("#pragma once\n\nnamespace flsim::reference {\n")
    n = 4
    x = torch.tensor((noise(10**9, n * 3072) * 3).astype(np.float32)).view(n, 3, 32, 32)
    y = torch.tensor([3, 0, 9, 3])
    models = {
        "Softmax": nn.Sequential(nn.Flatten(), nn.Linear(3072, 10)),
        "Mlp": Mlp(),
        "LeNet": LeNet(),
        "Cnn": Cnn(),
        "ResNet18Group": ResNet18(lambda c: nn.GroupNorm(2, c)),
        "ResNet18Batch": ResNet18(nn.BatchNorm2d),
        "Regions": Regions(),
    }
    for name, model in models.items():
        fill(model)
        model.eval()
        with torch.no_grad():
            before = F.cross_entropy(model(x), y, reduction="sum").item()
        model.train()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        model.eval()
        with torch.no_grad():
            after = F.cross_entropy(model(x), y, reduction="sum").item()
        grads = [p.grad.double().flatten() for p in model.parameters()]
        flat = torch.cat(grads)
        projection = (flat @ torch.tensor(noise(10**8, flat.numel()))).item()
        buffers = [b.double().flatten() for k, b in model.named_buffers() if "num_batches" not in k]
        print(f"// {name}: evaluation loss (sum), training loss (mean), evaluation loss after it, gradient . noise;")
        print("// norm of each tensor's gradient; norm of each buffer after the batch")
        show(name, [before, loss.item(), after, projection])
        show(name + "Gradient", [g.norm().item() for g in grads])
        if buffers:
            show(name + "Buffers", [b.norm().item() for b in buffers])
        print()
    print("}  // namespace flsim::reference")


if __name__ == "__main__":
    main()
