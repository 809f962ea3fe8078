"""Runs Flower's and ByzFL's own code on made-up updates; writes peers.safetensors.

Cohorts C: c10, c11 and c23 (so many clients, unequal numbers of examples, outliers of several
kinds) and c12 (no outliers), four rounds each. A client's model after round r is the global model
of that run plus C.deltas[r, client], whatever the run: deltas are shared, trajectories differ.
Models are flat vectors of all tensors, in the order of TENSORS.

In the file, float32:
    initial [P]                    the global model before the first round
    C.examples [n]                 the numbers of examples
    C.deltas [ROUNDS, n, P]
    C.losses [ROUNDS, n]           the global model's mean loss on each client, for q-FedAvg
    C.flower.NAME [ROUNDS, P]      the global model after each round, by Flower's strategy
    C.byzfl.NAME [ROUNDS, P]       each round's deltas aggregated by ByzFL
The metadata has the versions and, for every result, what it is in flsim's words: a JSON object of
strategy, pre_aggregation, aggregator, server_optimizer and lr (of the clients), where they are
not the default.

    python3 -m venv venv
    venv/bin/pip install flwr==1.41.0 torch==2.11.0 scipy safetensors
    venv/bin/pip install --no-deps byzfl==0.0.11
    venv/bin/python peers.py
"""

import gc
import importlib.metadata
import importlib.util
import json
import logging
import pathlib
import sys
import types

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.serverapp import strategy as flower
from flwr.serverapp.strategy.multikrum import select_multikrum
from flwr.supercore.task_identity import TaskIdentity
from safetensors.numpy import save

# ByzFL's __init__ asks for torchvision and plotting, which its aggregators do without.
byzfl = types.ModuleType("byzfl")
byzfl.__path__ = list(importlib.util.find_spec("byzfl").submodule_search_locations)
sys.modules["byzfl"] = byzfl
from byzfl import aggregators as byz  # noqa: E402  pylint: disable=wrong-import-position

TENSORS = {
    "conv.weight": (6, 3, 3, 2),
    "conv.bias": (6,),
    "norm.weight": (6,),
    "fc.weight": (11, 6),
    "fc.bias": (11,),
    "scale": (),
}
P = sum(int(np.prod(shape)) for shape in TENSORS.values())
ROUNDS = 4
LR = 0.1


def cohort(n, rng):
    """Examples, deltas and losses of `n` clients; the outliers have many examples."""
    common = 0.05 * rng.standard_normal((ROUNDS, 1, P))
    deltas = common + 0.03 * rng.standard_normal((ROUNDS, n, P))
    examples = rng.integers(5, 120, n)
    flipped, noise = -8 * deltas, 2 * rng.standard_normal((ROUNDS, n, P))
    shifted = deltas + 3 + 0.1 * rng.standard_normal((ROUNDS, n, P))
    together = deltas + 0.4 * rng.standard_normal((ROUNDS, 1, P))
    outliers = {
        10: {3: flipped, 7: noise},
        11: {1: shifted, 4: flipped, 9: noise},
        12: {},
        23: {0: together, 2: together, 8: noise, 13: 0 * deltas, 20: shifted},
    }[n]
    for client, values in outliers.items():
        deltas[:, client] = values[:, client]
        examples[client] = rng.integers(100, 200)
    return examples, deltas.astype(np.float32), rng.uniform(0.3, 3, (ROUNDS, n)).astype(np.float32)


def to_record(flat):
    arrays, begin = {}, 0
    for name, shape in TENSORS.items():
        end = begin + int(np.prod(shape))
        arrays[name] = Array(np.asarray(flat[begin:end].reshape(shape)))
        begin = end
    return ArrayRecord(arrays)


def to_flat(record):
    return np.concatenate([np.ravel(record[name].numpy()) for name in TENSORS])


class Nodes:
    """All that a strategy asks of Flower's Grid here."""

    def __init__(self, n):
        self.n = n

    def get_node_ids(self):
        return range(1, self.n + 1)


def run_flower(strategy, initial, examples, deltas, losses):
    """The models after each round. Clients compute in float32, as PyTorch does, whatever they get;
    the server keeps what Flower makes of it."""
    model, models = to_record(initial), []
    for r in range(ROUNDS):
        messages = strategy.configure_train(r + 1, model, ConfigRecord(), Nodes(len(examples)))
        replies = []
        for message in sorted(messages, key=lambda m: m.metadata.dst_node_id):
            k = message.metadata.dst_node_id - 1
            received = to_flat(message.content["arrays"]).astype(np.float32)
            metrics = {"num-examples": int(examples[k]), "same": 1}
            metrics["train_loss"] = float(losses[r, k])
            content = {"arrays": to_record(received + deltas[r, k]), "m": MetricRecord(metrics)}
            replies.append(Message(RecordDict(content), reply_to=message))
        model, _ = strategy.aggregate_train(r + 1, replies)
        models.append(to_flat(model))
    return np.stack(models)


def one_at_a_time(contents, num_malicious, theta):
    """The selection of Bulyan's paper, by Flower's Krum: takes the best, removes it, repeats."""
    left, selected = list(contents), []
    while len(selected) < theta:
        best = select_multikrum(left, num_malicious, 1)[0]
        selected.append(best)
        left = [content for content in left if content is not best]
    return selected


def flower_runs(n, f):
    """Name: strategy, what it is in flsim."""
    adaptive = {"lr": 0.1, "tau": 1e-3}
    betas = {"beta1": 0.9, "beta2": 0.99}
    uniform = {"aggregator": {"name": "mean", "weighting": "uniform"}}
    few = (n - 3) // 4  # as many as Bulyan can bear
    runs = {
        "fedavg": (flower.FedAvg(), {}),
        "fedprox": (flower.FedProx(proximal_mu=0.1), {"strategy": {"name": "fedprox", "mu": 0.1}}),
        "fedavgm": (
            flower.FedAvgM(server_momentum=0.9),
            {"server_optimizer": {"name": "sgd", "momentum": 0.9}},
        ),
        "fedavgm_lr": (
            flower.FedAvgM(server_momentum=0.7, server_learning_rate=0.5),
            {"server_optimizer": {"name": "sgd", "momentum": 0.7, "lr": 0.5}},
        ),
        "fedadagrad": (
            flower.FedAdagrad(eta=0.1, tau=1e-3),
            {"server_optimizer": {"name": "adagrad", **adaptive}},
        ),
        "fedadam": (
            flower.FedAdam(eta=0.1, tau=1e-3, beta_1=0.9, beta_2=0.99),
            {
                "server_optimizer": {
                    "name": "adam", **adaptive, **betas, "bias_correction": "flower",
                }
            },
        ),
        "fedyogi": (
            flower.FedYogi(eta=0.1, tau=1e-3, beta_1=0.9, beta_2=0.99),
            {"server_optimizer": {"name": "yogi", **adaptive, **betas}},
        ),
        "fedmedian": (flower.FedMedian(), {"aggregator": "median"}),
        "fedtrimmedavg": (
            flower.FedTrimmedAvg(beta=0.25),
            {"aggregator": {"name": "trimmed_mean", "beta": 0.25}},
        ),
        "krum": (
            flower.Krum(num_malicious_nodes=f),
            {"aggregator": {"name": "krum", "num_malicious": f}},
        ),
        "multikrum": (
            flower.MultiKrum(
                num_malicious_nodes=f, num_nodes_to_select=n - 2 * f, weighted_by_key="same"
            ),
            {"aggregator": {"name": "multikrum", "num_malicious": f, "num_selected": n - 2 * f}},
        ),
        "bulyan": (
            flower.Bulyan(num_malicious_nodes=few),
            {"aggregator": {"name": "bulyan", "num_malicious": few, "selection": "multikrum"}},
        ),
        "bulyan_one_at_a_time": (
            flower.Bulyan(num_malicious_nodes=few, selection_rule=one_at_a_time),
            {"aggregator": {"name": "bulyan", "num_malicious": few}},
        ),
        "qfedavg": (
            flower.QFedAvg(client_learning_rate=LR, q=0.5),
            {"strategy": {"name": "qfedavg", "q": 0.5}, "lr": LR, **uniform},
        ),
        "qfedavg_2": (
            flower.QFedAvg(client_learning_rate=LR, q=2),
            {"strategy": {"name": "qfedavg", "q": 2}, "lr": LR, **uniform},
        ),
    }
    return runs


def byzfl_runs(n, f):
    """Name: function of [n, P], what it is in flsim.

    ByzFL's Krum sums the n - f - 1 smallest distances, the paper n - f - 2: its f is ours + 1.
    """

    def after_nnm(rule):
        return lambda x: rule(byz.NNM(f=f)(x))

    nnm = {"pre_aggregation": [{"name": "nnm", "num_malicious": f}]}
    few = {"num_malicious": f}
    weiszfeld = {"name": "geometric_median", "tolerance": 0}
    trimmed = {"name": "trimmed_mean", "beta": (f + 0.5) / n}
    runs = {
        "median": (byz.Median(), {"aggregator": "median"}),
        "trimmed_mean": (byz.TrMean(f=f), {"aggregator": trimmed}),
        "geometric_median": (
            byz.GeometricMedian(nu=1e-6, T=1000),
            {"aggregator": {**weiszfeld, "smoothing": 1e-6, "iterations": 1000}},
        ),
        "geometric_median_3": (
            byz.GeometricMedian(nu=0.5, T=3),
            {"aggregator": {**weiszfeld, "smoothing": 0.5, "iterations": 3, "start": "zero"}},
        ),
        "krum": (byz.Krum(f=f + 1), {"aggregator": {"name": "krum", **few}}),
        "multikrum": (
            byz.MultiKrum(f=f + 1),
            {"aggregator": {"name": "multikrum", **few, "num_selected": n - f - 1}},
        ),
        "meamed": (byz.Meamed(f=f), {"aggregator": {"name": "meamed", **few}}),
        "nnm_median": (after_nnm(byz.Median()), {"aggregator": "median", **nnm}),
        "nnm_trimmed_mean": (after_nnm(byz.TrMean(f=f)), {"aggregator": trimmed, **nnm}),
        "nnm_krum": (after_nnm(byz.Krum(f=f + 1)), {"aggregator": {"name": "krum", **few}, **nnm}),
    }
    for steps in (1, 5):
        clipping = {"name": "centered_clipping", "radius": 1.0, "iterations": steps}
        # Starts each time where it stopped the last time.
        runs[f"centered_clipping_{steps}"] = (
            byz.CenteredClipping(L=steps, tau=1.0),
            {"aggregator": clipping},
        )
        runs[f"centered_clipping_{steps}_afresh"] = (
            lambda x, steps=steps: byz.CenteredClipping(L=steps, tau=1.0)(x),
            {"aggregator": {**clipping, "start": "zero"}},
        )
    if n < 20:
        runs["mda"] = (byz.MDA(f=f), {"aggregator": {"name": "mda", **few}})
    return runs


def main():
    logging.getLogger("flwr").setLevel(logging.ERROR)
    TaskIdentity.task_id = TaskIdentity.run_id = TaskIdentity.node_id = 1  # messages ask for them
    rng = np.random.default_rng(2024)
    initial = (0.3 * rng.standard_normal(P)).astype(np.float32)
    tensors = {"initial": initial}
    versions = {name: importlib.metadata.version(name) for name in ("flwr", "byzfl", "numpy")}
    metadata = {"versions": json.dumps(versions)}
    gc.freeze()  # Flower collects garbage for every message
    # Flower's Krum is told the number of outliers; ByzFL more than that, lest all rules come to
    # the mean of the others.
    for n, f_flower, f_byzfl in ((10, 2, 3), (11, 3, 4), (23, 5, 8), (12, 0, None)):
        examples, deltas, losses = cohort(n, rng)
        tensors[f"c{n}.examples"] = examples.astype(np.float32)
        tensors[f"c{n}.deltas"], tensors[f"c{n}.losses"] = deltas, losses
        for name, (strategy, config) in flower_runs(n, f_flower).items():
            if n == 12 and "qfedavg" not in name:
                continue
            models = run_flower(strategy, initial, examples, deltas, losses)
            tensors[f"c{n}.flower.{name}"] = models.astype(np.float32)
            metadata[f"c{n}.flower.{name}"] = json.dumps(config)
            print(n, name, models.dtype, np.abs(models).max(axis=1))
        for name, (rule, config) in byzfl_runs(n, f_byzfl).items() if f_byzfl else ():
            rounds = np.stack([rule(x) for x in deltas.astype(np.float64)])
            tensors[f"c{n}.byzfl.{name}"] = rounds.astype(np.float32)
            metadata[f"c{n}.byzfl.{name}"] = json.dumps(config)
            print(n, name, rounds.dtype, np.abs(rounds).max(axis=1))
    path = pathlib.Path(__file__).with_name("peers.safetensors")
    path.write_bytes(save(tensors, metadata))


if __name__ == "__main__":
    main()
