"""The models and one client's local training in plain PyTorch."""

import functools

import torch
from torch import nn

import workload


def make_model(name):
    if name == "lenet":
        return nn.Sequential(
            nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
            nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))
    if name == "cnn":
        return nn.Sequential(
            nn.Conv2d(3, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
            nn.Dropout(0.25), nn.Flatten(),
            nn.Linear(12544, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10))
    return nn.Sequential(nn.Linear(workload.FEATURES, 1), nn.Flatten(0))


def make_loss(name):
    return nn.MSELoss() if name == "linear" else nn.CrossEntropyLoss()


@functools.lru_cache(maxsize=1)
def load_tensors(model, data, count):
    x, y = workload.load_examples(model, data, count)
    return torch.from_numpy(x), torch.from_numpy(y)


def train(args, model, client):
    """One local epoch; returns the mean loss."""
    x, y = load_tensors(args.model, args.data, args.population * args.examples)
    mine = workload.client_slice(args, client)
    x, y, loss_of = x[mine], y[mine], make_loss(args.model)
    optimizer = torch.optim.SGD(model.parameters(), lr=args.lr, momentum=args.momentum)
    loss_sum = 0.0
    for batch in torch.randperm(args.examples).split(args.batch):
        optimizer.zero_grad()
        loss = loss_of(model(x[batch]), y[batch])
        loss.backward()
        optimizer.step()
        loss_sum += loss.item() * len(batch)
    return loss_sum / args.examples
