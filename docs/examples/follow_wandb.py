#!/usr/bin/env python3
"""follow_wandb.py RUN: logs a run to Weights & Biases while it goes on (or afterwards)."""
import json
import pathlib
import sys

import wandb

from follow_rounds import config, follow, metrics

folder = pathlib.Path(sys.argv[1])
with wandb.init(project="flsim", name=folder.name, config=config(folder)) as run:
    for record in follow(folder):
        run.log(metrics(record), step=record["round"])
    summary = json.loads((folder / "summary.json").read_text())
    run.summary.update({key: summary[key] for key in ("status", "final", "best", "model_sha256")})
