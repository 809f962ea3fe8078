"""What federation costs: everything but local training."""

import statistics

from bench import ROOT, last_json, note
from sections.workloads import WORKLOADS, flsim_config
from table import Line, duration, markdown

TITLE = "The cost of federation"
ABOUT = """\
Everything that a run does besides its clients' local steps: sampling, handing out the model,
shuffling, folding updates, the server's step, records. One worker on one core. After each round the
same number of the same steps (gather, gradient, step of SGD) is made on their own in the same
process; the share is 1 - steps / round, from the sums over all rounds, median over the repeats. A
round's time counts from the end of the one before, so that writing its record is in it."""
TARGETS = ["//tests/benchmark:federation_benchmark", "//:flsim"]
PARTS = ["lenet-50x50", "million"]
TITLES = {"lenet-50x50": WORKLOADS["lenet-50x50"].title,
          "million": "`linear`, 10,000 of 1,000,000 clients x 10, batch 10"}
BARS_PERCENT = {"lenet-50x50": 3, "million": 30}


def measure(part, bench):
    if part == "million":
        config, sets = ROOT / "configs" / "million_clients.json", ["sampler.cohort=10000"]
    else:
        config, sets = flsim_config(bench, WORKLOADS[part]), []
    repeats = []
    for repeat in range(bench.repeats):
        command = [bench.programs / "federation_benchmark", "--config", config,
                   "--out", bench.scratch / "federation"]
        for change in sets:
            command += ["--set", change]
        report = last_json(bench.run(command, cores=1))
        repeats.append({key: sum(r[key] for r in report["rounds"]) / len(report["rounds"])
                        for key in ("round_s", "steps_s")})
        note(f"federation/{part} {repeat + 1}/{bench.repeats}: {percent(repeats[-1]):.1f}%")
    return {"backend": report["backend"], "repeats": repeats}


def percent(repeat):
    return 100 * (1 - repeat["steps_s"] / repeat["round_s"])


def share(result):
    return statistics.median(percent(repeat) for repeat in result["repeats"])


def headline(results):
    lines = []
    for part in PARTS:
        bar = BARS_PERCENT[part]
        line = Line(f"federation, {TITLES[part]}", "the round's time", f"under {bar}%",
                    not_met="**OVER THE BAR**")
        if part in results:
            line.measured = f"{share(results[part]):.1f}%"
            line.met = share(results[part]) < bar
        lines.append(line)
    return lines


def body(results):
    rows = []
    for part, result in results.items():
        shares = [percent(repeat) for repeat in result["repeats"]]
        times = [duration(statistics.median(r[key] for r in result["repeats"]))
                 for key in ("round_s", "steps_s")]
        rows.append([TITLES[part], result["backend"], *times, f"{share(result):.1f}%",
                     f"{min(shares):.1f} to {max(shares):.1f}%"])
    return markdown(["", "backend", "round", "its steps alone", "federation", "range"], rows)
