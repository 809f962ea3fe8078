"""Runs of flsim that are kept: what is finished isn't run again, what was cut off goes on."""

import json
import subprocess
import sys


def kept_run(flsim, config, folder, sets=(), environment=None):
    """Runs the config into the folder, from where it was. Returns the lines of rounds.jsonl and
    the summary; of a run that diverged, up to there. flsim itself refuses a folder that holds a
    run of another config."""
    command = [str(flsim), "--config", str(config), "--out", str(folder), "--progress", "none"]
    if (folder / "config.json").exists():
        command.append("--resume")
    for change in sets:
        command += ["--set", change]
    result = subprocess.run(command, check=False, env=environment)
    if result.returncode == 4:
        print(f"{folder.name}: diverged", file=sys.stderr)
    elif result.returncode != 0:
        sys.exit(result.returncode)
    lines = (folder / "rounds.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines], json.loads((folder / "summary.json").read_text())
