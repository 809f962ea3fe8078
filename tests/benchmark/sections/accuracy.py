"""Accuracies that others have published, reproduced. Measured by tests/benchmark/accuracy_study."""

import statistics

from table import Line, markdown

TITLE = "Published accuracies"
MEASURED_BY = "tests/benchmark/accuracy_study"
ABOUT = """\
Best test accuracy over the rounds of `lenet` on CIFAR-10 with 10 clients, all of them in each
round: batch 64, learning rate 0.01, momentum 0.9, weight decay 1e-5, 10 local epochs, 50 rounds,
random crops and flips, 25 million examples a run. Two sources ran nominally these settings: (a)
Flower's baseline `niid_bench`, mean and standard deviation over its seeds, and (b) NIID-Bench (Li
et al., 2022), from its own leaderboard.

Their figures for the same cell differ by up to 5.7 points, more than strategies differ from each
other within one source, so a single figure proves nothing. Ours is held against a band instead:
for each partition from the lowest to the highest of all published figures, plus and minus their
standard deviations. Read from their code and followed here: pixels in [0, 1] that are not
normalised, at least 10 examples for each client. FedProx's mu is tuned in both sources (from 0.001,
0.01, 0.1, 1 in (a); 0.001 was best in (b)), and is 0.001 here; with 0.01, the default of (a)'s
configuration, iid comes to 68.95% (seed 1), below the tuned figures. Not the same: they pad crops
by reflection where we pad with black (`crop_padding` can do either; reflection moves that last
figure to 69.07%), and their Dirichlet split gives no more to a client that has its equal share
already."""
TARGETS = []

CONFIG = {
    "name": "accuracy_study", "rounds": 50,
    "dataset": {"name": "cifar10", "augment": ["crop", "flip"],
                "normalize": {"mean": [0, 0, 0], "std": [1, 1, 1]}},
    "model": "lenet", "sampler": {"name": "uniform", "cohort": 10},
    "training": {"epochs": 10, "batch_size": 64, "lr": 0.01, "momentum": 0.9,
                 "weight_decay": 1e-5},
}
PARTITIONS = {
    "iid": {"name": "iid", "clients": 10},
    "dirichlet": {"name": "dirichlet", "clients": 10, "alpha": 0.5, "min_examples": 10},
}
STRATEGIES = {"fedavg": "fedavg", "scaffold": "scaffold",
              "fedprox": {"name": "fedprox", "mu": 0.001}, "fednova": "fednova"}
PARTS = [f"{partition}-{strategy}" for partition in PARTITIONS for strategy in STRATEGIES]

# Percent; (mean, standard deviation or 0) of source (a), then of (b).
PUBLISHED = {
    "iid-fedavg": [(71.32, 0.33)], "iid-scaffold": [(71.66, 1.13)],
    "iid-fedprox": [(71.26, 1.18)], "iid-fednova": [(70.69, 1.14)],
    "dirichlet-fedavg": [(62.47, 0.43), (68.2, 0)],
    "dirichlet-scaffold": [(68.08, 0.96), (69.8, 0)],
    "dirichlet-fedprox": [(65.63, 0.08), (67.9, 0)],
    "dirichlet-fednova": [(63.89, 1.40), (66.8, 0)],
}


def band(partition):
    values = [figure for part, figures in PUBLISHED.items() if part.startswith(partition)
              for figure in figures]
    return min(mean - std for mean, std in values), max(mean + std for mean, std in values)


def config(part):
    partition, strategy = part.split("-")
    return {**CONFIG, "partition": PARTITIONS[partition], "strategy": STRATEGIES[strategy]}


def best(result):
    """Percent, of each seed."""
    return [100 * seed["best"] for seed in result["seeds"].values()]


def headline(results):
    lines = []
    for part in PARTS:
        partition, strategy = part.split("-")
        low, high = band(partition)
        line = Line(f"accuracy, {strategy}, {partition}", "published", f"{low:.1f} to {high:.1f}%",
                    not_met="**OFF THE BAND**")
        if part in results:
            mean = statistics.mean(best(results[part]))
            line.measured, line.met = f"{mean:.1f}%", low <= mean <= high
        lines.append(line)
    return lines


def body(results):
    rows = []
    for part, result in results.items():
        partition, strategy = part.split("-")
        low, high = band(partition)
        values = best(result)
        mean = statistics.mean(values)
        spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
        rounds = ", ".join(str(seed["best_round"]) for seed in result["seeds"].values())
        published = [f"{m:g} ± {s:g}" if s else f"{m:g}" for m, s in PUBLISHED[part]] + ["-"]
        rows.append([f"{partition}, {strategy}", f"{mean:.1f}{spread}", len(values), rounds,
                     published[0], published[1], f"{low:.1f} to {high:.1f}",
                     "in" if low <= mean <= high else "**OFF THE BAND**"])
    return markdown(["best accuracy in percent", "flsim", "seeds", "best round", "(a)", "(b)",
                     "band", ""], rows)
