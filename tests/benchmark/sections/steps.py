"""Training steps on one core: flsim's backends against LibTorch."""

import dataclasses
import statistics

from bench import last_json, note, tuned_allocator
from table import Line, at_least, markdown, ratio, spread

TITLE = "Training steps on one core"
ABOUT = """\
Steps of SGD with momentum 0.9 in float32 (gather and normalise a batch of CIFAR-10, gradient,
step), fresh examples at each step, no federation around them. Programs take turns in one process,
and a ratio is that of two neighbouring turns: median and range over all turns. LibTorch has an
allocator that keeps its pages from step to step, and so has every program here.

`prototype`: a throw-away program, not part of flsim, that trains these networks with kernels written
by hand for AVX-512, every shape fixed at compile time; it stands for what a core can do. `--against`
names the command of any such program (tests/benchmark/README.md)."""
TARGETS = ["//tests/benchmark:step_benchmark"]
TURN_S, TURNS = 0.5, 10  # of each program, for each repeat
AGAINST_BAR = 0.85  # of a program named by --against

MCMAHAN = {"name": "sequential", "layers": [
    {"name": "conv", "channels": 32, "kernel": 5, "padding": 2}, "relu",
    {"name": "max_pool", "kernel": 2},
    {"name": "conv", "channels": 64, "kernel": 5, "padding": 2}, "relu",
    {"name": "max_pool", "kernel": 2},
    "flatten", {"name": "linear", "features": 512}, "relu", "linear"]}


@dataclasses.dataclass
class Workload:
    title: str
    model: object
    batch: int
    base: str  # the program that the bar is against
    bar: float
    aim: str = ""


WORKLOADS = {
    "lenet-10": Workload("`lenet`, batch 10", "lenet", 10, "torch", 5),
    "lenet-32": Workload("`lenet`, batch 32", "lenet", 32, "torch", 4),
    "cnn-10": Workload("`cnn`, batch 10", "cnn", 10, "torch", 3.5),
    "mcmahan-32": Workload("McMahan's CNN, batch 32", MCMAHAN, 32, "torch", 2.2),
    "resnet18-32": Workload("`resnet18`, group norm, batch 32",
                            {"name": "resnet18", "norm": "group"}, 32, "eager", 1.0,
                            "; the aim is 1.15"),
}
PARTS = list(WORKLOADS)
BASES = {"torch": "`torch` backend", "eager": "bare LibTorch loop"}


def measure(part, bench):
    w = WORKLOADS[part]
    config = {"name": part, "dataset": "cifar10", "model": w.model,
              "training": {"batch_size": w.batch, "lr": 0.01, "momentum": 0.9}}
    path = bench.config_file(part, config)
    allocator, environment = tuned_allocator()
    # A step of resnet18 takes a second: a turn is at least one step of each program.
    turns, turn_s = (1, 0.1) if bench.quick else (TURNS, TURN_S)
    all_turns, others, runs = [], {label: [] for label in bench.against}, {}
    for repeat in range(bench.repeats):
        report = last_json(bench.run(
            [bench.programs / "step_benchmark", "--config", path, "--programs", f"{w.base},auto",
             "--turns", turns, "--turn-s", turn_s], cores=1, environment=environment))
        runs = report["runs"]
        all_turns += report["turns"]
        ours = statistics.median(turn["auto"] for turn in report["turns"])
        note(f"steps/{part} {repeat + 1}/{bench.repeats}: {ours:,.0f} examples/s")
        for label, command in bench.against.items():
            rate = other_rate(bench, command, part, environment)
            if rate:
                others[label].append({"rate": rate, "ours": ours})
    return {"allocator": allocator, "backend": runs["auto"], "turns": all_turns,
            "against": {label: pairs for label, pairs in others.items() if pairs}}


def other_rate(bench, command, part, environment):
    """What the outside program prints for this workload: a line `lenet/10 36000`."""
    name, batch = part.rsplit("-", 1)
    command = command.replace("{name}", name).replace("{batch}", batch)
    for line in bench.run(["sh", "-c", command], cores=1, environment=environment).splitlines():
        words = line.split()
        if len(words) == 2 and words[0] == f"{name}/{batch}":
            return float(words[1])
    return None


def ratios(result, base):
    return [turn["auto"] / turn[base] for turn in result["turns"]]


def headline(results):
    lines = []
    for part, w in WORKLOADS.items():
        against = BASES[w.base] + (" with the tuned allocator" if w.base == "torch" else "")
        line = Line(f"{w.title}, per core", against, f"{w.bar:g} times{w.aim}")
        lines.append(line)
        if part not in results:
            continue
        values = ratios(results[part], w.base)
        line.measured, line.met = ratio(values), at_least(w.bar, statistics.median(values))
        for label, pairs in results[part]["against"].items():
            values = [pair["ours"] / pair["rate"] for pair in pairs]
            lines.append(Line(f"{w.title}, per core", label, f"{AGAINST_BAR:g} times",
                              ratio(values), at_least(AGAINST_BAR, statistics.median(values))))
    return lines


def body(results):
    labels = sorted({label for result in results.values() for label in result["against"]})
    rows = []
    for part, result in results.items():
        w = WORKLOADS[part]
        values = ratios(result, w.base)
        rates = [statistics.median(turn[p] for turn in result["turns"]) for p in ("auto", w.base)]
        row = [w.title, result["backend"], f"{rates[0]:,.0f}", f"{rates[1]:,.0f} ({BASES[w.base]})",
               f"{statistics.median(values):.2f}", spread(values)]
        for label in labels:
            pairs = result["against"].get(label)
            if not pairs:
                row.append("-")
                continue
            rate = statistics.median(pair["rate"] for pair in pairs)
            share = statistics.median(pair["ours"] / pair["rate"] for pair in pairs)
            row.append(f"{rate:,.0f} (flsim: {share:.2f} times)")
        rows.append(row)
    header = ["examples/s", "backend", "flsim", "LibTorch", "ratio", "range", *labels]
    used = sorted({result["allocator"] for result in results.values()})
    return markdown(header, rows) + "\n\nAllocator: " + "; ".join(used) + "."
