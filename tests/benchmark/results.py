"""Turns the measured runs of `compare` into results, verdicts on the goals, and a table."""

import statistics

PEERS = {"pfl": "pfl-research", "flower": "Flower", "fedjax": "FedJAX"}
TITLES = {"flsim": "flsim", "bare_loop": "bare LibTorch loop", **PEERS}


def overhead_percent(runs):
    """Median over the repeats of flsim's time against the bare loop's just after it."""
    flsim, bare = runs.get("flsim"), runs.get("bare_loop")
    if not isinstance(flsim, list) or not isinstance(bare, list) or not flsim or not bare:
        return None
    return statistics.median((b / f - 1) * 100 for f, b in zip(flsim, bare))


def summarise(w, runs):
    results = {}
    for program, values in runs.items():
        if isinstance(values, str):
            results[program] = {"failed": values}
        elif values:
            rate = statistics.median(values)
            results[program] = {"examples_per_s": rate, "clients_per_s": rate / w.examples,
                                "runs": values}
    summary = {"name": w.name, "workload": w.describe(), "results": results}
    overhead = overhead_percent(runs)
    goal = None
    if overhead is not None:
        summary["overhead_percent"] = overhead
        goal = (f"federation costs {overhead:+.1f}% over the bare loop",
                w.max_overhead_percent is None or overhead < w.max_overhead_percent,
                w.max_overhead_percent and f"under {w.max_overhead_percent:g}%")
    elif w.min_clients_per_s and "clients_per_s" in results.get("flsim", {}):
        rate = results["flsim"]["clients_per_s"]
        goal = (f"{rate:,.0f} clients/s", rate >= w.min_clients_per_s,
                f"at least {w.min_clients_per_s:,.0f}")
    if goal:
        text, met, wanted = goal
        verdict = f" (goal: {wanted}): {'met' if met else 'MISSED'}" if wanted else ""
        summary["goal"] = text + verdict
    return summary


def cell(results, program):
    result = results.get(program)
    if result is None:
        return "-"
    if "failed" in result:
        return "failed"
    rate = f"{result['examples_per_s']:,.0f}"
    ours = results.get("flsim", {}).get("examples_per_s")
    if program == "flsim" or not ours:
        return rate
    return f"{rate} ({ours / result['examples_per_s']:.2f}x)"


def markdown(report):
    columns = [p for p in TITLES if any(p in w["results"] for w in report["workloads"])]
    facts = [f"{report['machine']}, of which {report['workers']} used", report["date"],
             f"flsim at {report['commit']}", *report["settings"],
             *(f"{TITLES[p]} {v}" for p, v in report["peers"].items())]
    lines = [
        "; ".join(facts) + ".",
        "Examples/s, median of the repeats; in brackets how many times as fast flsim is.",
        "",
        "| workload | " + " | ".join(TITLES[p] for p in columns) + " |",
        "|---|" + "---:|" * len(columns),
    ]
    for w in report["workloads"]:
        lines.append(f"| {w['workload']} | "
                     + " | ".join(cell(w["results"], p) for p in columns) + " |")
    lines.append("")
    lines += [f"- {w['workload']}: {w['goal']}" for w in report["workloads"] if "goal" in w]
    return "\n".join(lines).rstrip() + "\n"
