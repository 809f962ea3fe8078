"""What every peer's driver shares: the flags, the clients' data and the one line of output."""

import argparse
import functools
import json
import os
import statistics

import numpy as np

FEATURES = 10  # of the linear regression


def parse_arguments():
    parser = argparse.ArgumentParser(description="Times rounds of FedAvg, the first not counted.")
    parser.add_argument("--model", choices=["lenet", "cnn", "linear"], default="lenet")
    parser.add_argument("--population", type=int, default=20, help="clients")
    parser.add_argument("--cohort", type=int, default=20, help="clients per round")
    parser.add_argument("--examples", type=int, default=500, help="examples per client")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=4, help="including the first")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--data", default="data/cifar-10-batches-bin")
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--momentum", type=float, default=0.9)
    return parser.parse_args()


@functools.lru_cache(maxsize=1)
def load_examples(model, data, count):
    """float32 inputs (images normalised, [count, 3, 32, 32]) and targets, in memory."""
    if model == "linear":
        rng = np.random.default_rng(1)
        x = rng.standard_normal((count, FEATURES), dtype=np.float32)
        y = x @ rng.standard_normal(FEATURES, dtype=np.float32)
        return x, y + 0.1 * rng.standard_normal(count, dtype=np.float32)
    files = [os.path.join(data, f"data_batch_{b}.bin") for b in range(1, 6)]
    records = np.concatenate([np.fromfile(f, np.uint8).reshape(-1, 3073) for f in files])[:count]
    if len(records) < count:
        raise SystemExit(f"{data} has only {len(records)} training examples, not {count}")
    x = records[:, 1:].reshape(-1, 3, 32, 32).astype(np.float32)
    x /= np.float32(255)
    x -= np.array([0.4914, 0.4822, 0.4465], np.float32).reshape(3, 1, 1)
    x /= np.array([0.2470, 0.2435, 0.2616], np.float32).reshape(3, 1, 1)
    return x, records[:, 0].astype(np.int64)


def client_slice(args, client):
    return slice(client * args.examples, (client + 1) * args.examples)


def report(program, args, times, copies=1):
    """`times`: the clock before the first round and after each."""
    round_s = statistics.median(b - a for a, b in zip(times[1:], times[2:]))
    print(json.dumps({
        "program": program,
        "rounds": len(times) - 1,
        "first_round_s": times[1] - times[0],
        "round_s": round_s,
        "examples_per_s": copies * args.cohort * args.examples / round_s,
    }), flush=True)
