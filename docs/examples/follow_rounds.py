#!/usr/bin/env python3
"""follow_rounds.py RUN: prints "ROUND LOSS" for each round of a run while it goes on.

As a module: what follow_wandb.py and follow_mlflow.py need of a run's folder.
"""
import json
import os
import pathlib
import sys
import time

POLL_S = 0.5


def wait_for(file):
    while not file.exists():
        time.sleep(POLL_S)
    return file


def config(run):
    return json.loads(wait_for(pathlib.Path(run) / "config.json").read_text())


def follow(run):
    """Yields the record of each round once, as it is written, until the run has ended."""
    rounds, summary = pathlib.Path(run) / "rounds.jsonl", pathlib.Path(run) / "summary.json"
    file_id, place, last = None, 0, -1
    while True:
        ended = summary.exists()
        with wait_for(rounds).open() as file:
            if file_id != os.fstat(file.fileno()).st_ino:  # a resumed run replaces the file
                file_id, place = os.fstat(file.fileno()).st_ino, 0
            file.seek(place)
            while (line := file.readline()).endswith("\n"):
                place = file.tell()
                record = json.loads(line)
                if record["round"] > last:  # run again after a resumption, a round is the same
                    last = record["round"]
                    yield record
        if ended:
            return
        time.sleep(POLL_S)


def flat(json_object, prefix=""):
    """{"a": {"b": 1}} as {"a.b": 1}."""
    items = {}
    for key, value in json_object.items():
        items |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return items


def metrics(record):
    """The numbers of a record but its round."""
    return {key: value for key, value in flat(record).items()
            if isinstance(value, (int, float)) and key != "round"}


if __name__ == "__main__":
    for record in follow(sys.argv[1]):
        print(record["round"], record.get("test_loss", record.get("train_loss")), flush=True)
