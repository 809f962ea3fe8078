"""What a second worker brings."""

import statistics

from bench import Failure, note
from sections.workloads import WORKLOADS, flsim_config
from table import Line, at_least, markdown, ratio, spread

TITLE = "Two workers against one"
ABOUT = """\
Whole runs of flsim on two cores with two workers, and on one of them with one worker, in turns;
rounds after the first, no evaluation."""
TARGETS = ["//:flsim"]
PARTS = ["lenet-50x50", "lenet-20x500", "cnn-10x50", "linear-10000x50"]
BAR = 1.85


def measure(part, bench):
    if bench.workers < 2:
        raise Failure("needs two cores; this process may use one")
    config = flsim_config(bench, WORKLOADS[part])
    pairs = []
    for repeat in range(bench.repeats):
        pairs.append({str(n): bench.flsim(config, cores=n).examples_per_s() for n in (1, 2)})
        note(f"workers/{part} {repeat + 1}/{bench.repeats}: "
             f"{pairs[-1]['2'] / pairs[-1]['1']:.2f} times")
    return {"pairs": pairs}


def ratios(result):
    return [pair["2"] / pair["1"] for pair in result["pairs"]]


def headline(results):
    lines = []
    for part in PARTS:
        line = Line(f"2 workers, {WORKLOADS[part].title}", "1 worker", f"{BAR:g} times")
        if part in results:
            values = ratios(results[part])
            line.measured, line.met = ratio(values), at_least(BAR, statistics.median(values))
        lines.append(line)
    return lines


def body(results):
    rows = []
    for part, result in results.items():
        rates = [statistics.median(pair[n] for pair in result["pairs"]) for n in ("1", "2")]
        values = ratios(result)
        rows.append([WORKLOADS[part].title, *(f"{rate:,.0f}" for rate in rates),
                     f"{statistics.median(values):.2f}", spread(values)])
    return markdown(["examples/s", "1 worker", "2 workers", "ratio", "range"], rows)
