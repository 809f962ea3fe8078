"""Three rounds of FedAvg and FedProx on LeNet in plain PyTorch; writes fedavg_lenet.safetensors.

FedAvg: McMahan et al. 2017, Algorithm 1. FedProx: Li et al. 2020, Algorithm 2.

Four clients hold 40, 30, 50 and 20 examples: consecutive ranges of the first 140 training examples.
All take part in each round. A client starts from the global model with fresh momentum and makes two
passes over its examples in their order, in batches of 16 of which the last is smaller:
    g = gradient of the mean cross-entropy of the batch        (FedProx: + MU (w - w_global))
    g = g + WEIGHT_DECAY w;   v = MOMENTUM v + g;   w = w - LR v
The new global model is the mean of the clients' models weighted by their numbers of examples. A
round's train loss is the mean over all examples seen of the cross-entropy at the time they were
seen, without the proximal term.

Initial parameters, made of integers so that any language gets the same float32. Element i (from 0)
of tensor s (from 0: conv1.weight, conv1.bias, conv2.weight, ..., fc3.bias), with 32-bit unsigned
wrap-around, u / 2^32 in [0, 1), and fan_in that of the layer (75, 150, 400, 120, 84):
    u = (i + 1) 2654435761 + s 40503;   u ^= u >> 15;   u *= 2246822519;   u ^= u >> 13
    float32((2 u / 2^32 - 1) / sqrt(fan_in)), in double before the cast

Two data sets: "cifar10", the first 140 records of data_batch_1.bin (the metadata has their
SHA-256); "formula", images that need no file: byte j (from 0, of 3072) of image i is
(31 i + 17 j + (i j mod 251)) mod 256 and its class is 7 i mod 10. (To fill all six files of the
binary format, go on to i = 59,999; only the first 140 matter.)

In the file, for each data set D and algorithm A (fedavg, fedprox): D.A.round0 (the initial model)
to D.A.round3, every 97th element of the flat vector of all parameters in the order above, float32;
D.A.train_loss [3]; D.A.largest [4], the largest absolute parameter of each round's model.
"""

import hashlib
import math
import pathlib

import numpy as np
import torch
from safetensors.numpy import save
from torch.nn.functional import cross_entropy

import lenet

SIZES = (40, 30, 50, 20)
EPOCHS, BATCH, LR, MOMENTUM, WEIGHT_DECAY, MU = 2, 16, 0.05, 0.9, 1e-4, 0.1
ROUNDS, STRIDE = 3, 97


def initial_model(dtype):
    model = lenet.LeNet().to(dtype)
    fan_in = {"conv1": 75, "conv2": 150, "fc1": 400, "fc2": 120, "fc3": 84}
    with torch.no_grad():
        for s, (name, parameter) in enumerate(model.named_parameters()):
            i = np.arange(parameter.numel(), dtype=np.uint64)
            u = ((i + 1) * 2654435761 + s * 40503) % 2**32
            u ^= u >> 15
            u = u * 2246822519 % 2**32
            u ^= u >> 13
            values = (2 * (u / 2.0**32) - 1) / math.sqrt(fan_in[name.split(".")[0]])
            parameter.copy_(torch.from_numpy(values.astype(np.float32)).view_as(parameter))
    return model


def formula_records():
    i = np.arange(sum(SIZES), dtype=np.int64)[:, None]
    j = np.arange(lenet.RECORD - 1, dtype=np.int64)[None, :]
    pixels = (31 * i + 17 * j + i * j % 251) % 256
    return np.concatenate([7 * i % 10, pixels], axis=1).astype(np.uint8)


def train_client(model, global_parameters, images, labels, mu):
    """Trains `model` in place; returns the sum of losses over the examples seen."""
    optimizer = torch.optim.SGD(model.parameters(), LR, MOMENTUM, weight_decay=WEIGHT_DECAY)
    loss_sum = 0.0
    for _ in range(EPOCHS):
        for x, y in zip(images.split(BATCH), labels.split(BATCH)):
            optimizer.zero_grad()
            loss = cross_entropy(model(x), y)
            loss.backward()
            for w, w0 in zip(model.parameters(), global_parameters):
                w.grad += mu * (w.detach() - w0)
            optimizer.step()
            loss_sum += loss.item() * len(y)
    return loss_sum


def run(records, mu, dtype):
    """The global models (flat, rounds 0 to ROUNDS) and the train losses."""
    clients = list(zip(*(part.split(SIZES) for part in lenet.to_tensors(records, dtype))))
    model = initial_model(dtype)
    models, losses = [torch.nn.utils.parameters_to_vector(model.parameters()).detach()], []
    for _ in range(ROUNDS):
        mean, loss_sum = torch.zeros_like(models[-1]), 0.0
        for size, (images, labels) in zip(SIZES, clients):
            torch.nn.utils.vector_to_parameters(models[-1].clone(), model.parameters())
            start = [p.detach().clone() for p in model.parameters()]
            loss_sum += train_client(model, start, images, labels, mu)
            trained = torch.nn.utils.parameters_to_vector(model.parameters()).detach()
            mean += size / sum(SIZES) * trained
        models.append(mean)
        losses.append(loss_sum / (EPOCHS * sum(SIZES)))
    return models, losses


def main():
    torch.set_num_threads(1)
    real = lenet.read_records("data_batch_1.bin")[: sum(SIZES)]
    tensors = {}
    for data, records in (("cifar10", real), ("formula", formula_records())):
        for algorithm, mu in (("fedavg", 0.0), ("fedprox", MU)):
            models, losses = run(records, mu, torch.float32)
            exact, _ = run(records, mu, torch.float64)
            largest = [m.abs().max().item() for m in models]
            errors = [(m - e).abs().max().item() / a for m, e, a in zip(models, exact, largest)]
            print(data, algorithm, "losses", losses, "largest", largest)
            print("  float32 - float64, of the largest parameter:", errors)
            name = f"{data}.{algorithm}"
            for r, m in enumerate(models):
                tensors[f"{name}.round{r}"] = m[::STRIDE].contiguous().numpy()
            tensors[f"{name}.train_loss"] = np.array(losses, np.float32)
            tensors[f"{name}.largest"] = np.array(largest, np.float32)
    metadata = {"cifar10_sha256": hashlib.sha256(real.tobytes()).hexdigest()}
    path = pathlib.Path(__file__).with_name("fedavg_lenet.safetensors")
    path.write_bytes(save(tensors, metadata))


if __name__ == "__main__":
    main()
