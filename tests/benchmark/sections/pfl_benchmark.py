"""The benchmark that pfl-research publishes, whole."""

import json

from bench import ROOT, note
from table import Line, duration, markdown

TITLE = "pfl-research's benchmark"
ABOUT = """\
configs/pfl_benchmark.json, the CIFAR-10 benchmark of pfl-research (Granqvist et al., 2024,
arXiv:2404.06430) from its first round to its last: `cnn`, IID, 1,000 clients x 50, 50 of them a
round, 1,500 rounds of one local epoch, batch 10, client learning rate 0.1, clients weighted
equally, an evaluation on the 10,000 test images every 10 rounds. One run; the time is that of the
whole program. The one difference: initial weights are PyTorch's default, not Xavier's."""
TARGETS = ["//:flsim"]
PARTS = ["run"]
MAX_MINUTES = 25
CONFIG = ROOT / "configs" / "pfl_benchmark.json"


def measure(part, bench):
    run = bench.flsim(CONFIG, ["rounds=2"] if bench.quick else [])
    last = run.lines[-1]
    evaluation_s = sum(line.get("evaluation_s", 0) for line in run.lines)
    note(f"pfl: {duration(run.total_s)}, test accuracy {last['test_accuracy']:.4f}")
    return {"total_s": run.total_s, "rounds": last["round"], "evaluation_s": evaluation_s,
            "accuracy": last["test_accuracy"], "peak_mb": run.peak_mb(),
            "best": run.summary["best"]["test_accuracy"]}


def is_whole(result):
    return result["rounds"] == json.loads(CONFIG.read_text())["rounds"]


def headline(results):
    line = Line("pfl-research's whole benchmark", "", f"under {MAX_MINUTES} min",
                not_met="**OVER THE BAR**")
    if "run" in results:
        result = results["run"]
        line.measured = (f"{duration(result['total_s'])}, final accuracy "
                         f"{100 * result['accuracy']:.1f}%")
        line.met = is_whole(result) and result["total_s"] < 60 * MAX_MINUTES
    return [line]


def body(results):
    result = results["run"]
    if not is_whole(result):
        return f"Only {result['rounds']} rounds were run."
    cells = [f"{result['rounds']:,}", duration(result["total_s"]),
             duration(result["evaluation_s"]), f"{100 * result['accuracy']:.2f}%",
             f"{100 * result['best']:.2f}%"]
    return markdown(["rounds", "time", "of it evaluation", "final accuracy", "best"], [cells])
