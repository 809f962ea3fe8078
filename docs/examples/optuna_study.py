#!/usr/bin/env python3
"""optuna_study.py CONFIG METRIC TRIALS: searches learning rate and momentum with Optuna.

METRIC is a path into summary.json, such as final.test_accuracy. The study is kept in
runs/optuna.db: called again, it goes on with TRIALS more.
"""
import os
import subprocess
import sys

import optuna

FLSIM = os.environ.get("FLSIM", "bazel-bin/flsim")
config, metric, trials = sys.argv[1], sys.argv[2], int(sys.argv[3])


def objective(trial):
    settings = {"training.lr": trial.suggest_float("training.lr", 1e-4, 1, log=True),
                "training.momentum": trial.suggest_float("training.momentum", 0, 0.95)}
    command = [FLSIM, "--config", config, "--out", f"runs/optuna-{trial.number:04}", "--force",
               "--progress", "none", "--print", metric]
    for key, value in settings.items():
        command += ["--set", f"{key}={value}"]
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if run.returncode == 4:
        raise optuna.TrialPruned("diverged")
    run.check_returncode()
    return float(run.stdout)


os.makedirs("runs", exist_ok=True)
larger_is_better = "accuracy" in metric or "r2" in metric
study = optuna.create_study(study_name=f"{config} {metric}", storage="sqlite:///runs/optuna.db",
                            direction="maximize" if larger_is_better else "minimize",
                            load_if_exists=True)
study.optimize(objective, n_trials=trials)
print(f"best of {len(study.trials)}: {study.best_value:.4g} with {study.best_params}")
