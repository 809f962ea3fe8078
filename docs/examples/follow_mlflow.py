#!/usr/bin/env python3
"""follow_mlflow.py RUN: logs a run to MLflow while it goes on (or afterwards)."""
import json
import pathlib
import sys

import mlflow

from follow_rounds import config, flat, follow, metrics

folder = pathlib.Path(sys.argv[1])
mlflow.set_experiment("flsim")
with mlflow.start_run(run_name=folder.name):
    mlflow.log_params(flat(config(folder)))
    for record in follow(folder):
        mlflow.log_metrics(metrics(record), step=record["round"])
    summary = json.loads((folder / "summary.json").read_text())
    mlflow.set_tag("status", summary["status"])
    for name in ("config.json", "summary.json", "model.safetensors"):
        mlflow.log_artifact(folder / name)
