"""How time and memory grow with the cohort, the population and the model."""

import json
import statistics
import subprocess

from bench import HERE, ROOT, check, install, note, python_of
from table import duration, markdown, megabytes

TITLE = "How the cost grows"
ABOUT = """\
Time of a round (median of the rounds after the first), time until the first round begins, and the
peak memory of the whole process, against the size of the cohort (`lenet`, 10,000 clients x 5
images), of the population (`linear`, 10 features, 10 examples for each client, cohort 100) and of
the model (`mlp` on 64 features, 10 of 100 clients x 50 examples). Batch 10 throughout."""
TARGETS = ["//:flsim"]
PLOT = ROOT / "docs" / "growth.svg"

COHORTS = {10: 51, 100: 21, 1000: 6, 10000: 4}  # and rounds
POPULATIONS = [100, 1000, 10_000, 100_000, 1_000_000]
HIDDEN = {13: 101, 72: 51, 285: 21, 967: 6, 3129: 4}  # width of both hidden layers, and rounds
FEATURES = 64
AXES = {"cohort": "clients in a cohort", "population": "clients in the population",
        "model": "parameters of the model"}
PARTS = list(AXES)


def regression(name, rounds, clients, cohort, examples, features, model):
    """An experiment on synthetic regression; one in a hundred examples is for testing."""
    return {
        "name": name, "rounds": rounds, "model": model,
        "dataset": {"name": "synthetic_regression", "features": features, "test_fraction": 0.01,
                    "examples": clients * examples * 101 // 100},
        "partition": {"name": "iid", "clients": clients},
        "sampler": {"name": "uniform", "cohort": cohort},
        "training": {"epochs": 1, "batch_size": 10, "lr": 1e-9},  # wide networks on raw targets
        "evaluation": {"every": 0},
    }


def cohort_config(cohort):
    return {
        "name": "growth", "rounds": COHORTS[cohort], "model": "lenet", "dataset": "cifar10",
        "partition": {"name": "iid", "clients": 10000},
        "sampler": {"name": "uniform", "cohort": cohort},
        "training": {"epochs": 1, "batch_size": 10, "lr": 0.01, "momentum": 0.9},
        "evaluation": {"every": 0},
    }


def model_config(width):
    return regression("growth", HIDDEN[width], 100, 10, 50, FEATURES,
                      {"name": "mlp", "hidden": [width, width]})


def parameters(width):
    return (FEATURES + 1) * width + (width + 1) * width + width + 1


def experiments(part):
    """{size: config}"""
    if part == "cohort":
        return {cohort: cohort_config(cohort) for cohort in COHORTS}
    if part == "population":
        return {clients: regression("growth", 201, clients, 100, 10, 10, "linear")
                for clients in POPULATIONS}
    return {parameters(width): model_config(width) for width in HIDDEN}


def measure(part, bench):
    install("plot")
    points = []
    for size, config in list(experiments(part).items())[:2 if bench.quick else None]:
        if bench.quick:
            config["rounds"] = 3
        runs = [bench.flsim(config) for _ in range(min(3, bench.repeats))]
        point = {"size": size, "cohort": config["sampler"]["cohort"]}
        for key, values in {"round_s": [run.round_s() for run in runs],
                            "start_s": [run.start_s for run in runs],
                            "peak_mb": [run.peak_mb() for run in runs]}.items():
            point[key] = statistics.median(values)
        points.append(point)
        note(f"growth/{part} {size:,}: {duration(point['round_s'])} a round, "
             f"{point['peak_mb']:.0f} MB")
    return {"points": points}


def headline(results):
    return []


def is_whole(results):
    return all(part in results for part in PARTS)


def body(results):
    texts = []
    if is_whole(results):
        texts.append("![time and memory](growth.svg)")
    for part, result in results.items():
        rows = [[f"{point['size']:,}", duration(point["round_s"]),
                 duration(point["round_s"] / point["cohort"]), duration(point["start_s"]),
                 megabytes(point["peak_mb"])] for point in result["points"]]
        texts.append(markdown([AXES[part], "a round", "a client", "start", "peak memory"], rows))
    return "\n\n".join(texts)


def draw(results):
    if not is_whole(results) or not python_of("plot").exists():
        return  # the figure of the last measurement stays
    panels = [{"label": AXES[part], "points": results[part]["points"]} for part in PARTS]
    drawn = subprocess.run([str(python_of("plot")), str(HERE / "growth_plot.py"), str(PLOT)],
                           input=json.dumps(panels), text=True, capture_output=True, check=False)
    check(drawn.returncode, drawn.stderr)
