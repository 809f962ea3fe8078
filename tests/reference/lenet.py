"""What the reference scripts share: LeNet and CIFAR-10, in plain PyTorch."""

import os
import pathlib
import sys

import numpy as np
import torch
from torch import nn

MEAN = (0.4914, 0.4822, 0.4465)
STD = (0.2470, 0.2435, 0.2616)
RECORD = 1 + 3 * 32 * 32  # a label, then the red, green and blue planes


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(400, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = torch.max_pool2d(torch.relu(self.conv1(x)), 2)
        x = torch.max_pool2d(torch.relu(self.conv2(x)), 2)
        x = torch.relu(self.fc1(x.flatten(1)))
        x = torch.relu(self.fc2(x))
        return self.fc3(x)


def data_folder():
    folder = pathlib.Path(os.environ.get("FLSIM_DATA", "data"))
    for candidate in (folder, folder / "cifar-10-batches-bin"):
        if (candidate / "data_batch_1.bin").exists():
            return candidate
    sys.exit("no CIFAR-10 (binary version); set FLSIM_DATA to the folder with data_batch_1.bin")


def read_records(name):
    """uint8 [records, 3073]"""
    return np.fromfile(data_folder() / name, dtype=np.uint8).reshape(-1, RECORD)


def to_tensors(records, dtype=torch.float32):
    """Normalised images [n, 3, 32, 32] and labels [n]."""
    images = torch.from_numpy(records[:, 1:].copy()).view(-1, 3, 32, 32).to(dtype).div_(255)
    mean = torch.tensor(MEAN, dtype=dtype).view(3, 1, 1)
    std = torch.tensor(STD, dtype=dtype).view(3, 1, 1)
    return images.sub_(mean).div_(std), torch.from_numpy(records[:, 0].astype(np.int64))
