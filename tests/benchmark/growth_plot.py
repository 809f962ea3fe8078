"""Draws time and memory against size: growth_plot.py OUT.svg < panels.json

Runs in the environment `plot` (install_peers plot), which has matplotlib.
"""

import io
import json
import pathlib
import sys

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams.update({
    "svg.fonttype": "none",  # text stays text: small, and searchable
    "svg.hashsalt": "flsim",  # the same figures give the same file
    "font.size": 9, "axes.spines.top": False, "axes.spines.right": False,
})
from matplotlib import pyplot

TIME, START, MEMORY = "#1f5fa8", "#7aa9d8", "#b4552d"


def main():
    panels = json.load(sys.stdin)
    figure, axes = pyplot.subplots(2, len(panels), figsize=(10, 5), sharex="col", sharey="row")
    for column, panel in enumerate(panels):
        sizes = [point["size"] for point in panel["points"]]
        top, bottom = axes[0][column], axes[1][column]
        for key, color, label in (("round_s", TIME, "a round"), ("start_s", START, "start")):
            top.plot(sizes, [point[key] for point in panel["points"]], "o-", color=color,
                     markersize=4, label=label)
        bottom.plot(sizes, [point["peak_mb"] for point in panel["points"]], "o-", color=MEMORY,
                    markersize=4)
        for plot in (top, bottom):
            plot.set_xscale("log")
            plot.set_yscale("log")
            plot.grid(True, which="major", color="#dddddd", linewidth=0.6)
            plot.minorticks_off()
        bottom.set_xlabel(panel["label"])
    axes[0][0].set_ylabel("time (s)")
    axes[1][0].set_ylabel("peak memory (MB)")
    axes[0][0].legend(frameon=False)
    figure.tight_layout()
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    lines = [line.strip() for line in text.getvalue().splitlines()]  # smaller
    pathlib.Path(sys.argv[1]).write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
