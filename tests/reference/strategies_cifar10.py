"""Three rounds of many algorithms on LeNet in plain PyTorch; writes strategies_lenet.safetensors.

Written from the papers. Clients, data sets, initial model and the order of examples are those of
fedavg_cifar10.py. All models are flat vectors; p_k = n_k / 140, client k's share of all examples;
WEIGHT_DECAY w is part of every gradient g. A client makes K_k steps: two passes in batches of 16.
Models are averaged with the weights p_k (over their sum in the cohort), SCAFFOLD's control variates
plainly. What a paper leaves open, or says otherwise, stands at the algorithm.

In the file, for each data set D (cifar10, formula) and run A of RUNS: D.A.round1 to D.A.round3,
every 97th element of the global model, float32; D.A.train_loss [3], the mean over all examples
seen of the cross-entropy (MOON: with its contrastive term) at the time they were seen;
D.A.largest [3], the largest absolute parameter of each round's model. The metadata has, for each
D.A, "cohorts" (a list of clients for each round) and "config" (what differs from plain fedavg, in
flsim's words).
"""

import hashlib
import json
import pathlib
from functools import partial

import numpy as np
import torch
from safetensors.numpy import save
from torch.nn.functional import cosine_similarity, cross_entropy
from torch.nn.utils import parameters_to_vector, vector_to_parameters

import lenet
from fedavg_cifar10 import SIZES, formula_records, initial_model

EPOCHS, BATCH, WEIGHT_DECAY, STRIDE = 2, 16, 1e-4, 97
ALL = [[0, 1, 2, 3]] * 3
SOME = [[0, 2], [1, 2, 3], [0, 3]]


class Clients:
    def __init__(self, records, lr, dtype, jitter=0.0):
        self.lr = lr
        self.data = list(zip(*(part.split(SIZES) for part in lenet.to_tensors(records, dtype))))
        self.model = initial_model(dtype)
        self.start = parameters_to_vector(self.model.parameters()).detach().clone()
        noise = torch.randn(self.start.shape, generator=torch.Generator().manual_seed(1))
        self.start *= 1 + jitter * noise
        self.zeros = torch.zeros_like(self.start)
        self.share = [size / sum(SIZES) for size in SIZES]
        self.losses, self.seen = 0.0, 0

    def features(self, w, x):
        """What goes into the last layer."""
        vector_to_parameters(w.clone(), self.model.parameters())
        kept = []
        hook = self.model.fc3.register_forward_pre_hook(lambda _, inputs: kept.append(inputs[0]))
        logits = self.model(x)
        hook.remove()
        return kept[0], logits

    def gradient(self, w, x, y, extra=None):
        """The gradient of a batch's mean loss, and that loss without the decay."""
        term = None if extra is None else extra(x)  # may load other parameters
        self.model.zero_grad()
        z, logits = self.features(w, x)
        loss = cross_entropy(logits, y)
        if term is not None:
            loss = loss + term(z)
        loss.backward()
        g = torch.cat([p.grad.flatten() for p in self.model.parameters()])
        return g + WEIGHT_DECAY * w, loss.item()

    def full_gradient(self, w, k):
        return self.gradient(w, *self.data[k])[0]

    def loss(self, w, k):
        return self.gradient(w, *self.data[k])[1]

    def steps(self, k):
        return EPOCHS * len(self.data[k][1].split(BATCH))

    def train(self, w, k, correct=None, momentum=0.0, extra=None):
        """Local SGD from `w`; correct(g, w, x, y) changes each step's gradient."""
        images, labels = self.data[k]
        v = self.zeros
        for _ in range(EPOCHS):
            for x, y in zip(images.split(BATCH), labels.split(BATCH)):
                g, loss = self.gradient(w, x, y, extra)
                if correct is not None:
                    g = correct(g, w, x, y)
                v = momentum * v + g
                w = w - self.lr * v
                self.losses += loss * len(y)
                self.seen += len(y)
        return w

    def mean(self, cohort, vectors):
        """Weighted by examples."""
        total = sum(self.share[k] for k in cohort)
        return sum(self.share[k] / total * v for k, v in zip(cohort, vectors))


# Each algorithm is a generator: for each cohort, the next global model.


def scaffold(clients, cohorts, momentum, option=2):
    """Karimireddy et al. 2020, Algorithm 1, with eta_g = 1."""
    w, c = clients.start, clients.zeros
    c_k = [clients.zeros] * len(SIZES)
    for cohort in cohorts:
        models, changes = [], []
        for k in cohort:
            y = clients.train(w, k, lambda g, *_, k=k: g - c_k[k] + c, momentum)
            if option == 1:
                new = clients.full_gradient(w, k)
            else:
                new = c_k[k] - c + (w - y) / (clients.steps(k) * clients.lr)
            changes.append(new - c_k[k])
            c_k[k] = new
            models.append(y)
        w = clients.mean(cohort, models)
        c = c + sum(changes) / len(SIZES)
        yield w


def fednova(clients, cohorts, momentum, mu=0.0):
    """Wang et al. 2020, equation 7, tau_eff = sum p_k |a_k|_1 (Section 4). |a|_1 of local momentum
    and of the proximal term as in their Section 3; never both at once here."""
    w = clients.start
    for cohort in cohorts:
        directions, lengths = [], []
        for k in cohort:
            y = clients.train(w, k, lambda g, v, *_: g + mu * (v - w), momentum=momentum)
            tau, alpha = clients.steps(k), clients.lr * mu
            if momentum > 0:
                a = sum((1 - momentum ** (tau - i)) / (1 - momentum) for i in range(tau))
            else:
                a = sum((1 - alpha) ** (tau - 1 - i) for i in range(tau))
            directions.append((w - y) / (clients.lr * a))
            lengths.append(a)
        w = w - clients.mean(cohort, lengths) * clients.lr * clients.mean(cohort, directions)
        yield w


def feddyn(clients, cohorts, momentum, alpha):
    """Acar et al. 2021, Algorithm 1, with p_k for its 1/m: h = sum_k p_k times client k's gradient.
    The client's problem is solved approximately, by SGD with momentum."""
    w, h = clients.start, clients.zeros
    g_k = [clients.zeros] * len(SIZES)
    for cohort in cohorts:
        models = []
        for k in cohort:
            y = clients.train(
                w, k, lambda g, v, *_, k=k: g - g_k[k] + alpha * (v - w), momentum=momentum
            )
            g_k[k] = g_k[k] - alpha * (y - w)
            models.append(y)
        h = h - alpha * sum(clients.share[k] * (y - w) for k, y in zip(cohort, models))
        w = clients.mean(cohort, models) - h / alpha
        yield w


def qfedavg(clients, cohorts, momentum, q):
    """Li et al. 2020 (Fair Resource Allocation), Algorithm 2, L = 1 / lr. The paper samples clients
    with probability p_k and adds up plainly; here all take part, so that the sums are weighted."""
    w, lipschitz = clients.start, 1 / clients.lr
    for cohort in cohorts:
        numerator, denominator = clients.zeros, 0.0
        for k in cohort:
            loss = clients.loss(w, k)
            step = lipschitz * (w - clients.train(w, k, momentum=momentum))
            numerator = numerator + clients.share[k] * loss**q * step
            h = q * loss ** (q - 1) * step.dot(step).item() + lipschitz * loss**q
            denominator += clients.share[k] * h
        w = w - numerator / denominator
        yield w


def mime(clients, cohorts, momentum, beta, lite=False):
    """Karimireddy et al. 2021 (Breaking the Centralized Barrier), Algorithm 1 with SGDm."""
    w, m = clients.start, clients.zeros
    for cohort in cohorts:
        c = clients.mean(cohort, [clients.full_gradient(w, k) for k in cohort])

        def step(g, _, x, y, c=c):
            if not lite:
                g = g - clients.gradient(w, x, y)[0] + c
            return (1 - beta) * g + beta * m

        w_next = clients.mean(cohort, [clients.train(w, k, step, momentum) for k in cohort])
        m = (1 - beta) * c + beta * m
        w = w_next
        yield w


def moon(clients, cohorts, momentum, mu, temperature):
    """Li, He, Song 2021, Algorithm 1; z is what goes into the last layer (LeNet has no projection
    head). In its first round a client has no previous model and no contrastive term."""
    w, previous = clients.start, [None] * len(SIZES)
    for cohort in cohorts:
        models = []
        for k in cohort:

            def contrast(x, k=k):
                with torch.no_grad():
                    theirs = [clients.features(v, x)[0] for v in (w, previous[k])]

                def term(z):
                    s = torch.stack([cosine_similarity(z, t) for t in theirs], 1) / temperature
                    return mu * cross_entropy(s, torch.zeros(len(s), dtype=torch.long))

                return term

            extra = None if previous[k] is None else contrast
            previous[k] = clients.train(w, k, momentum=momentum, extra=extra)
            models.append(previous[k])
        w = clients.mean(cohort, models)
        yield w


def feddc(clients, cohorts, momentum, alpha):
    """Gao et al. 2022, Algorithm 1: penalty alpha/2 |h_k + w_k - w|^2, the drift h_k sums up what
    the client moved, the server averages the models and all drifts. Its gradient correction is
    that of the authors' code (SCAFFOLD's, option II), which the paper shortens; weights p_k."""
    w, c = clients.start, clients.zeros
    h_k, c_k = [clients.zeros] * len(SIZES), [clients.zeros] * len(SIZES)
    for cohort in cohorts:
        models, c_next = [], c
        for k in cohort:
            y = clients.train(
                w, k, lambda g, v, *_, k=k: g + alpha * (h_k[k] + v - w) - c_k[k] + c, momentum
            )
            new = c_k[k] - c + (w - y) / (clients.steps(k) * clients.lr)
            c_next = c_next + clients.share[k] * (new - c_k[k])
            h_k[k], c_k[k] = h_k[k] + y - w, new
            models.append(y)
        c = c_next
        w = clients.mean(cohort, models) + sum(p * h for p, h in zip(clients.share, h_k))
        yield w


ALGORITHMS = {
    "scaffold": scaffold,
    "fednova": fednova,
    "feddyn": feddyn,
    "qfedavg": qfedavg,
    "mime": mime,
    "mimelite": partial(mime, lite=True),
    "moon": moon,
    "feddc": feddc,
}

# Name: cohorts, local momentum, strategy with its options (in flsim's words and in ours).
RUNS = {
    "scaffold": (ALL, 0.0, {"name": "scaffold"}),
    "scaffold_1": (ALL, 0.0, {"name": "scaffold", "option": 1}),
    "scaffold_some": (SOME, 0.0, {"name": "scaffold"}),
    "fednova": (ALL, 0.0, {"name": "fednova"}),
    "fednova_momentum": (ALL, 0.9, {"name": "fednova"}),
    "fednova_mu": (ALL, 0.0, {"name": "fednova", "mu": 1.0}),
    "feddyn": (ALL, 0.9, {"name": "feddyn", "alpha": 0.1}),
    "feddyn_some": (SOME, 0.9, {"name": "feddyn", "alpha": 0.1}),
    "qfedavg": (ALL, 0.9, {"name": "qfedavg", "q": 1.0}),
    "mime": (ALL, 0.0, {"name": "mime", "beta": 0.5}),
    "mimelite": (ALL, 0.0, {"name": "mimelite", "beta": 0.5}),
    "moon": (ALL, 0.9, {"name": "moon", "mu": 1.0, "temperature": 0.5}),
    "moon_some": (SOME, 0.9, {"name": "moon", "mu": 1.0, "temperature": 0.5}),
    "feddc": (ALL, 0.0, {"name": "feddc", "alpha": 0.1}),
    "feddc_some": (SOME, 0.0, {"name": "feddc", "alpha": 0.1}),
}


def run(name, records, lr, dtype, jitter=0.0):
    """The global models after each round, the train losses and the largest parameters."""
    cohorts, momentum, strategy = RUNS[name]
    options = {key: value for key, value in strategy.items() if key != "name"}
    clients = Clients(records, lr, dtype, jitter)
    models, losses = [], []
    for w in ALGORITHMS[strategy["name"]](clients, cohorts, momentum, **options):
        models.append(w)
        losses.append(clients.losses / clients.seen)
        clients.losses, clients.seen = 0.0, 0
    return models, losses, [w.abs().max().item() for w in models]


def steady_run(name, records):
    """That run in float32, with the first learning rate at which no rounding near float32's turns a
    ReLU or a maximum the other way: one that does is seen in the third to fifth digit."""
    for lr in (0.05, 0.048, 0.052, 0.046, 0.054, 0.044, 0.056, 0.042, 0.058, 0.04, 0.06):
        models, losses, largest = run(name, records, lr, torch.float32)
        error = 0.0
        for jitter in (0.0, 1e-7, -1e-7, 2e-7, -2e-7):
            exact, _, _ = run(name, records, lr, torch.float64, jitter)
            errors = [(m - e).abs().max().item() / a for m, e, a in zip(models, exact, largest)]
            error = max(error, *errors)
            if error > 3e-6:
                break
        else:
            print(f"{name}: lr {lr}, float32 - float64 {error:.1e} of the largest parameter")
            return lr, models, losses, largest
    raise SystemExit(f"{name}: no learning rate is steady")


def main():
    torch.set_num_threads(1)
    real = lenet.read_records("data_batch_1.bin")[: sum(SIZES)]
    tensors = {}
    metadata = {"cifar10_sha256": hashlib.sha256(real.tobytes()).hexdigest()}
    metadata["torch"] = torch.__version__.split("+")[0]
    for name, (cohorts, momentum, strategy) in RUNS.items():
        for data, records in (("cifar10", real), ("formula", formula_records())):
            lr, models, losses, largest = steady_run(name, records)
            key = f"{data}.{name}"
            print(f"  {key}: losses {losses}, largest {largest}", flush=True)
            config = {
                "strategy": strategy, "training.lr": lr, "training.momentum": momentum,
            }
            metadata[key] = json.dumps({"cohorts": cohorts, "config": config})
            for r, m in enumerate(models):
                tensors[f"{key}.round{r + 1}"] = m[::STRIDE].contiguous().numpy()
            tensors[f"{key}.train_loss"] = np.array(losses, np.float32)
            tensors[f"{key}.largest"] = np.array(largest, np.float32)
    path = pathlib.Path(__file__).with_name("strategies_lenet.safetensors")
    path.write_bytes(save(tensors, metadata))


if __name__ == "__main__":
    main()
