"""What every section of the benchmark needs: running programs, and facts about this machine."""

import dataclasses
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
ENVIRONMENTS = ROOT / ".deps" / "bench"
PEERS = {"flower": "Flower", "pfl": "pfl-research", "fedjax": "FedJAX"}
PACKAGES = {"flower": "flwr", "pfl": "pfl", "fedjax": "fedjax"}
JEMALLOC = pathlib.Path("/usr/lib/x86_64-linux-gnu/libjemalloc.so.2")


class Failure(Exception):
    """A program failed, or measured something else than it was asked for."""


def note(text):
    print(text, file=sys.stderr, flush=True)


@dataclasses.dataclass
class FlsimRun:
    lines: list  # of rounds.jsonl; the first is round 0
    summary: dict
    start_s: float  # from the start of the process to the start of its first round
    total_s: float  # of the whole process

    def counted(self):
        """The rounds after the first, which warms up."""
        return [line for line in self.lines if line["round"] >= 2]

    def round_s(self):
        return statistics.median(line["wall_s"] for line in self.counted())

    def examples_per_s(self):
        return statistics.median(line["examples"] / line["wall_s"] for line in self.counted())

    def peak_mb(self):
        return self.summary["peak_rss_bytes"] / 1e6


class Bench:
    """How to measure: the options of the command, and where to put temporary files."""

    def __init__(self, options, scratch):
        self.data = options.data
        self.workers = options.workers
        self.repeats = options.repeats
        self.peer_repeats = options.peer_repeats
        self.quick = options.quick
        self.against = options.against  # {label: command}
        self.flsim_path = options.flsim
        self.programs = ROOT / "bazel-bin" / "tests" / "benchmark"
        self.scratch = scratch

    def run(self, command, cores=None, environment=None):
        """The program's standard output; it may use so many cores (all that are given, if None)."""
        result = subprocess.run([str(c) for c in command], capture_output=True, text=True,
                                check=False, env=self.environment(environment),
                                preexec_fn=self.pin(cores))
        check(result.returncode, result.stderr or result.stdout)
        return result.stdout

    def environment(self, more=None):
        return {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "FLSIM_DATA": str(self.data),
                **(more or {})}

    def pin(self, cores):
        mine = sorted(os.sched_getaffinity(0))[:cores or self.workers]
        return lambda: os.sched_setaffinity(0, mine)

    def config_file(self, name, config):
        path = self.scratch / f"{name}.json"
        path.write_text(json.dumps(config))
        return path

    def flsim(self, config, sets=(), cores=None):
        """Runs an experiment (a path, or its JSON) with one worker on each of the cores."""
        if isinstance(config, dict):
            config = self.config_file(config["name"], config)
        cores = cores or self.workers
        out = self.scratch / "run"
        shutil.rmtree(out, ignore_errors=True)
        command = [str(self.flsim_path), "--config", str(config), "--out", str(out),
                   "--progress", "none", "--set", f"runtime.workers={cores}"]
        for change in sets:
            command += ["--set", change]
        errors = self.scratch / "errors.txt"
        start = time.monotonic()
        with errors.open("w") as stderr:
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=stderr,
                                       env=self.environment(), preexec_fn=self.pin(cores))
            start_s = None  # round 0 is written just before the first round begins
            while process.poll() is None:
                if start_s is None and has_line(out / "rounds.jsonl"):
                    start_s = time.monotonic() - start
                time.sleep(0.002 if start_s is None else 0.01)
        total_s = time.monotonic() - start
        check(process.returncode, errors.read_text())
        lines = [json.loads(line) for line in (out / "rounds.jsonl").read_text().splitlines()]
        summary = json.loads((out / "summary.json").read_text())
        return FlsimRun(lines, summary, start_s or total_s, total_s)


def check(returncode, output):
    if returncode != 0:
        raise Failure(f"exit code {returncode}: " + " / ".join(output.strip().splitlines()[-3:]))


def has_line(path):
    try:
        return b"\n" in path.read_bytes()[:1 << 20]
    except OSError:
        return False


def last_json(text):
    return json.loads(text.strip().splitlines()[-1])


def tuned_allocator():
    """(what it is, its environment): malloc that keeps its pages from one step to the next."""
    if JEMALLOC.exists():
        return f"jemalloc (LD_PRELOAD={JEMALLOC})", {"LD_PRELOAD": str(JEMALLOC)}
    setting = "glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=4294967296"
    return f"glibc's with GLIBC_TUNABLES={setting}", {"GLIBC_TUNABLES": setting}


def python_of(environment):
    return ENVIRONMENTS / environment / "bin" / "python"


def install(environment):
    """Makes the Python environment of a peer, or of the plot, if there is none."""
    if python_of(environment).exists():
        return
    note(f"{environment} is not installed yet: tests/benchmark/install_peers {environment}")
    result = subprocess.run([str(HERE / "install_peers"), environment], check=False,
                            stdout=sys.stderr)
    check(result.returncode, f"install_peers {environment}")


def package_version(folder, package):
    found = sorted(folder.glob(f"lib/python3*/site-packages/{package}-*.dist-info"))
    return found[0].name.split("-")[1].removesuffix(".dist") if found else "?"


def versions():
    known = {"LibTorch": package_version(ROOT / ".deps" / "venv", "torch")}
    for peer, title in PEERS.items():
        known[title] = package_version(ENVIRONMENTS / peer, PACKAGES[peer])
    return {title: version for title, version in known.items() if version != "?"}


def machine(workers):
    model = "unknown CPU"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB; "
            f"{workers} {'core' if workers == 1 else 'cores'} used")


def commit():
    result = subprocess.run(["git", "-C", str(ROOT), "describe", "--always", "--dirty"],
                            capture_output=True, text=True, check=False)
    return result.stdout.strip() or "unknown"
