"""Numbers as text, Markdown tables, and lines of the headline table with their verdicts."""

import dataclasses
import statistics
from typing import Optional


@dataclasses.dataclass
class Line:
    """A line of the headline table. `met` is None where there is no bar or no measurement."""
    what: str
    against: str
    bar: str = ""
    measured: str = "not measured"
    met: Optional[bool] = None
    not_met: str = "**BELOW THE BAR**"

    def cells(self):
        verdict = {None: "", True: "met", False: self.not_met}[self.met]
        return [self.what, self.against, self.bar, self.measured, verdict]


def at_least(bar, value):
    return None if bar is None else value >= bar


def markdown(header, rows, alignment=None):
    """A table; without `alignment` the first column is text and the others are numbers."""
    lines = ["| " + " | ".join(header) + " |",
             alignment or "|---|" + "---:|" * (len(header) - 1)]
    return "\n".join(lines + ["| " + " | ".join(str(c) for c in row) + " |" for row in rows])


def spread(values):
    return f"{min(values):.2f} to {max(values):.2f}"


def ratio(values, digits=2):
    """Median and range of ratios."""
    median = statistics.median(values)
    if median >= 20:
        return f"{median:,.0f} times"
    return f"{median:.{digits}f} times ({spread(values)})"


def duration(seconds):
    if seconds < 1e-3:
        return f"{seconds * 1e6:.3g} µs"
    if seconds < 1:
        return f"{seconds * 1e3:.3g} ms"
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.1f} min"


def megabytes(value):
    return f"{value:,.0f} MB" if value < 1000 else f"{value / 1000:.2f} GB"
