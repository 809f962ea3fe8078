"""Whole runs of flsim against other simulators."""

import statistics

from bench import HERE, PEERS, Failure, install, last_json, note, python_of
from sections.workloads import WORKLOADS, flsim_config
from table import Line, at_least, markdown, ratio

TITLE = "Other simulators"
ABOUT = """\
Whole runs of federated averaging: one local epoch of SGD with momentum 0.9 in float32, no
evaluation, the rounds after the first (start-up, compilation). Every program has the same cores and
takes its turn; peers run their best case, data in memory as tensors, one thread for each worker.
Flower has one Ray actor for each core; pfl-research one independent process for each core, whose
rates are added (nothing that they would have to say to each other is counted); FedJAX uses the
cores as XLA likes. `linear` of 10,000 clients a round is flsim alone. A round of flsim
is what rounds.jsonl calls wall_s, from sampling to the server's update; writing its records, which
comes after, is in `federation` only."""
TARGETS = ["//:flsim"]
PARTS = list(WORKLOADS)

ROUNDS = {  # of each peer, including the first
    "lenet-50x50": {"flower": 4, "pfl": 9, "fedjax": 9},
    "lenet-20x500": {"flower": 4, "pfl": 4, "fedjax": 4},
    "cnn-10x50": {"flower": 4, "pfl": 6, "fedjax": 4},
    "linear-100x50": {"flower": 4, "pfl": 9, "fedjax": 31},
    "linear-10000x50": {},
}
BARS = {  # how many times as fast flsim has to be
    "lenet-50x50": {"flower": 100, "pfl": 8, "fedjax": 16},
    "lenet-20x500": {"flower": 14, "pfl": 5, "fedjax": 14},
    "linear-100x50": {"flower": 5000, "fedjax": 400},
}
CLIENTS_PER_S = {"linear-10000x50": 1_000_000}


def measure(part, bench):
    w = WORKLOADS[part]
    for peer in ROUNDS[part]:
        install(peer)
    config = flsim_config(bench, w)
    runs, failed = {p: [] for p in ("flsim", *ROUNDS[part])}, {}
    for repeat in range(bench.repeats):
        for program, rates in runs.items():
            if program in failed or (program != "flsim" and repeat >= bench.peer_repeats):
                continue
            try:
                if program == "flsim":
                    rates.append(flsim_rate(bench, config, w))
                else:
                    rates.append(peer_rate(bench, program, part))
                note(f"peers/{part} {repeat + 1}/{bench.repeats} {program}: "
                     f"{rates[-1]:,.0f} examples/s")
            except (Failure, OSError, ValueError, KeyError) as error:
                failed[program] = str(error)
                note(f"peers/{part} {program} FAILED: {error}")
    if "flsim" in failed:
        raise Failure(failed["flsim"])
    return {"runs": runs, "failed": failed}


def flsim_rate(bench, config, w):
    run = bench.flsim(config)
    wrong = [r["round"] for r in run.counted() if r["examples"] != w.cohort * w.examples]
    if wrong:
        raise Failure(f"rounds {wrong} did not train {w.cohort * w.examples} examples")
    return run.examples_per_s()


def peer_rate(bench, peer, part):
    w = WORKLOADS[part]
    rounds = min(ROUNDS[part][peer], 3) if bench.quick else ROUNDS[part][peer]
    folders = [bench.data, bench.data / "cifar-10-batches-bin"]
    data = next(f for f in folders if (f / "data_batch_1.bin").exists())
    return last_json(bench.run(
        [python_of(peer), HERE / "peers" / f"{peer}_bench.py", "--model", w.model, "--data", data,
         "--cohort", w.cohort, "--population", w.population, "--examples", w.examples,
         "--batch", w.batch, "--workers", bench.workers, "--rounds", rounds]))["examples_per_s"]


def ratios(result, peer):
    """Each of the peer's runs against flsim's just before it."""
    return [ours / theirs for ours, theirs in zip(result["runs"]["flsim"], result["runs"][peer])]


def headline(results):
    lines = []
    for part in PARTS:
        result = results.get(part)
        for peer in ROUNDS[part]:
            bar = BARS.get(part, {}).get(peer)
            line = Line(WORKLOADS[part].title, PEERS[peer], f"{bar:,} times" if bar else "")
            lines.append(line)
            if result and result["runs"][peer]:
                values = ratios(result, peer)
                line.measured, line.met = ratio(values), at_least(bar, statistics.median(values))
            elif result and peer in result["failed"]:
                line.measured = "failed"
        bar = CLIENTS_PER_S.get(part)
        if bar:
            line = Line(WORKLOADS[part].title, "", f"{bar:,} clients/s")
            lines.append(line)
            if result:
                rate = statistics.median(result["runs"]["flsim"]) / WORKLOADS[part].examples
                line.measured, line.met = f"{rate:,.0f} clients/s", rate >= bar
    return lines


def body(results):
    rows, failures = [], []
    for part, result in results.items():
        row = [WORKLOADS[part].title, f"{statistics.median(result['runs']['flsim']):,.0f}"]
        for peer in PEERS:
            rates = result["runs"].get(peer)
            if not rates:
                row.append("failed" if peer in result["failed"] else "-")
                continue
            times = statistics.median(ratios(result, peer))
            row.append(f"{statistics.median(rates):,.0f} ({times:,.{1 if times < 100 else 0}f}x)")
        rows.append(row)
        failures += [f"- {WORKLOADS[part].title}, {PEERS[peer]}: {why}"
                     for peer, why in result["failed"].items() if peer in PEERS]
    table = markdown(["examples/s (flsim is so many times as fast)", "flsim", *PEERS.values()],
                     rows)
    return "\n".join([table, ""] + failures).rstrip()
