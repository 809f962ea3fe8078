"""Federated workloads that several sections share, as flsim's configs."""

import dataclasses
import json
import struct


@dataclasses.dataclass
class Workload:
    name: str
    model: str
    cohort: int
    population: int
    examples: int  # per client
    batch: int
    rounds: int  # including the first, which is not counted

    @property
    def title(self):
        return (f"`{self.model}`, {self.cohort:,} of {self.population:,} clients x "
                f"{self.examples}, batch {self.batch}")


WORKLOADS = {w.name: w for w in [
    Workload("lenet-50x50", "lenet", 50, 1000, 50, 10, 201),
    Workload("lenet-20x500", "lenet", 20, 20, 500, 32, 41),
    Workload("cnn-10x50", "cnn", 10, 1000, 50, 10, 41),
    Workload("linear-100x50", "linear", 100, 1000, 50, 10, 2001),
    Workload("linear-10000x50", "linear", 10000, 10000, 50, 10, 201),
]}


def flsim_config(bench, w):
    """Path of the config; every client has exactly w.examples."""
    config = {
        "name": w.name, "rounds": min(w.rounds, 3) if bench.quick else w.rounds,
        "dataset": "cifar10",
        "partition": {"name": "iid", "clients": w.population},
        "model": w.model, "sampler": {"name": "uniform", "cohort": w.cohort},
        "training": {"epochs": 1, "batch_size": w.batch, "lr": 0.01, "momentum": 0.9},
        "evaluation": {"every": 0},
    }
    if w.model == "linear":  # a fifth of the examples is for testing
        config["dataset"] = {"name": "synthetic_regression", "features": 10,
                             "examples": w.population * w.examples * 5 // 4}
    elif w.population * w.examples < 50000:  # the first clients of as many as there is data for
        config["partition"]["clients"] = 50000 // w.examples
        path = bench.config_file(w.name, config)
        whole, cut = (bench.scratch / f"{w.name}-{part}.safetensors" for part in ("all", "cut"))
        bench.run([bench.flsim_path, "partition", "--config", path, "--out", whole])
        keep_first_clients(whole, cut, w.population)
        config["partition"] = {"name": "file", "path": str(cut)}
    return bench.config_file(w.name, config)


def keep_first_clients(source, target, clients):
    """Writes a partition file that holds only the first clients of another."""
    raw = source.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header, data = json.loads(raw[8:8 + length]), raw[8 + length:]

    def values(name):
        begin, end = header[name]["data_offsets"]
        return struct.unpack(f"<{(end - begin) // 8}q", data[begin:end])

    offsets = values("offsets")[:clients + 1]
    indices = values("indices")[:offsets[-1]]
    new, body = {"__metadata__": header["__metadata__"]}, b""
    for name, items in (("offsets", offsets), ("indices", indices)):
        piece = struct.pack(f"<{len(items)}q", *items)
        new[name] = {"dtype": "I64", "shape": [len(items)],
                     "data_offsets": [len(body), len(body) + len(piece)]}
        body += piece
    text = json.dumps(new).encode()
    text += b" " * (-len(text) % 8)
    target.write_bytes(struct.pack("<Q", len(text)) + text + body)
