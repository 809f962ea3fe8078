"""Test accuracy of 20 rounds of FedAvg on CIFAR-10 in plain PyTorch; writes accuracy_cifar10.json.

The settings of configs/cifar10.json, by a loop that shares no code with flsim: LeNet, 100 clients,
each class split over the clients by a Dirichlet(0.3) draw, 10 clients drawn per round, one local
epoch in shuffled batches of 32, SGD with rate 0.01 and momentum 0.9, weights by examples. Each seed
draws its own partition, initial model, cohorts and batches. So early in training accuracy jumps
from round to round and differs between seeds; the mean of the last five rounds is steadier, and a
difference between two programs is judged against the spread over seeds. About a minute per seed.
"""

import json
import pathlib
import re
import statistics

import numpy as np
import torch
from torch.nn.functional import cross_entropy

import lenet

CLIENTS, ALPHA, MIN_EXAMPLES = 100, 0.3, 1
COHORT, ROUNDS, BATCH, LR, MOMENTUM = 10, 20, 32, 0.01, 0.9
SEEDS = range(1, 9)


def dirichlet_partition(labels, rng):
    """One array of example indices per client (Yurochkin et al. 2019, class by class)."""
    while True:
        parts = [[] for _ in range(CLIENTS)]
        for c in range(10):
            members = rng.permutation(np.flatnonzero(labels == c))
            shares = rng.dirichlet(np.full(CLIENTS, ALPHA))
            cuts = (np.cumsum(shares)[:-1] * len(members)).astype(int)
            for part, piece in zip(parts, np.split(members, cuts)):
                part.append(piece)
        parts = [np.concatenate(p) for p in parts]
        if min(map(len, parts)) >= MIN_EXAMPLES:
            return parts


def accuracy(model, images, labels):
    with torch.no_grad():
        hits = sum((model(x).argmax(1) == y).sum().item()
                   for x, y in zip(images.split(500), labels.split(500)))
    return hits / len(labels)


def run(seed, train, test):
    """Test accuracy after rounds 1 to ROUNDS."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    images, labels = train
    parts = dirichlet_partition(labels.numpy(), rng)
    model = lenet.LeNet()
    parameters = list(model.parameters())
    current = torch.nn.utils.parameters_to_vector(parameters).detach()
    history = []
    for _ in range(ROUNDS):
        cohort = [parts[k] for k in rng.choice(CLIENTS, COHORT, replace=False)]
        total = sum(map(len, cohort))
        mean = torch.zeros_like(current)
        for part in cohort:
            torch.nn.utils.vector_to_parameters(current.clone(), parameters)
            optimizer = torch.optim.SGD(parameters, LR, MOMENTUM)
            for batch in torch.from_numpy(rng.permutation(part)).split(BATCH):
                optimizer.zero_grad()
                cross_entropy(model(images[batch]), labels[batch]).backward()
                optimizer.step()
            trained = torch.nn.utils.parameters_to_vector(parameters).detach()
            mean += len(part) / total * trained
        current = mean
        torch.nn.utils.vector_to_parameters(current.clone(), parameters)
        history.append(accuracy(model, *test))
        print(f"seed {seed} round {len(history)}: {history[-1]:.4f}", flush=True)
    return history


def spread(values):
    return {"mean": round(statistics.mean(values), 4), "stdev": round(statistics.stdev(values), 4),
            "min": round(min(values), 4), "max": round(max(values), 4)}


def write(histories):
    result = {
        "made_by": "tests/reference/accuracy_cifar10.py, torch "
                   + torch.__version__.split("+")[0],
        "rounds": ROUNDS,
        "test_accuracy": spread([h[-1] for h in histories.values()]),
        "test_accuracy_mean_of_last_5_rounds": spread(
            [statistics.mean(h[-5:]) for h in histories.values()]),
        "mean_by_round": [round(statistics.mean(h), 4) for h in zip(*histories.values())],
        "by_seed": histories,
    }
    text = json.dumps(result, indent=1)
    one_line = lambda found: "".join(found[0].split()).replace(",", ", ")
    text = re.sub(r"\[[^]]*\]", one_line, text)
    pathlib.Path(__file__).with_name("accuracy_cifar10.json").write_text(text + "\n")


def main():
    torch.set_num_threads(1)
    batches = [lenet.read_records(f"data_batch_{b}.bin") for b in range(1, 6)]
    train = lenet.to_tensors(np.concatenate(batches))
    test = lenet.to_tensors(lenet.read_records("test_batch.bin"))
    write({str(seed): run(seed, train, test) for seed in SEEDS})


if __name__ == "__main__":
    main()
