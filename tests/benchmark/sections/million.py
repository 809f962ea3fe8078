"""A population of a million clients."""

import statistics

from bench import ROOT, note
from table import Line, duration, markdown, megabytes

TITLE = "A million clients"
ABOUT = """\
configs/million_clients.json with 10,000 clients a round: 20 rounds on linear regression, 10
examples for each client. The start is the time from the start of the process until its first round
begins: it makes the data, draws the partition and evaluates the initial model. For what federation
costs here, see the section on it."""
TARGETS = ["//:flsim"]
PARTS = ["run"]
MAX_MB, MAX_START_S = 1000, 2


def measure(part, bench):
    runs = []
    for repeat in range(bench.repeats):
        run = bench.flsim(ROOT / "configs" / "million_clients.json", ["sampler.cohort=10000"])
        runs.append({"start_s": run.start_s, "total_s": run.total_s, "round_s": run.round_s(),
                     "peak_mb": run.peak_mb(),
                     "clients_per_s": run.examples_per_s() / 10})
        note(f"million {repeat + 1}/{bench.repeats}: {run.total_s:.2f} s, {run.peak_mb():.0f} MB")
    return {"runs": runs}


def median(result, key):
    return statistics.median(run[key] for run in result["runs"])


def headline(results):
    memory = Line("a million clients, memory", "", "under 1 GB", not_met="**OVER THE BAR**")
    start = Line("a million clients, start", "", f"under {MAX_START_S} s",
                 not_met="**OVER THE BAR**")
    if "run" in results:
        result = results["run"]
        peak, start_s = median(result, "peak_mb"), median(result, "start_s")
        memory.measured, memory.met = megabytes(peak), peak < MAX_MB
        start.measured, start.met = duration(start_s), start_s < MAX_START_S
    return [memory, start]


def body(results):
    result = results["run"]
    cells = [duration(median(result, "start_s")), duration(median(result, "round_s")),
             f"{median(result, 'clients_per_s'):,.0f}", duration(median(result, "total_s")),
             megabytes(median(result, "peak_mb"))]
    return markdown(["start", "a round", "clients/s", "the whole program", "peak memory"], [cells])
