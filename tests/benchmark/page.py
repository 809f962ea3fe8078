"""The figures that were measured (results/benchmarks.json), and the page made of them."""

import datetime
import json
import os
import shlex

from bench import HERE, ROOT, commit, machine, versions
from sections import SECTIONS
from table import markdown

RESULTS = HERE / "results" / "benchmarks.json"
PAGE = ROOT / "docs" / "benchmarks.md"
PROFILE = HERE / "profile.md"


class Results:
    """Measured parts by section, written to a file at each change; no file: kept in memory."""

    def __init__(self, path):
        self.path = path
        self.sections = json.loads(path.read_text()) if path and path.exists() else {}

    def has(self, section, part):
        return part in self.sections.get(section, {})

    def part(self, section, part):
        return self.sections.get(section, {}).get(part, {}).get("result")

    def add(self, section, part, result, command, workers):
        self.sections.setdefault(section, {})[part] = {
            "date": datetime.date.today().isoformat(), "commit": commit(),
            "machine": machine(workers), "versions": versions(), "command": shlex.join(command),
            "result": result}
        if self.path:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            new = self.path.with_suffix(".tmp")
            new.write_text(json.dumps(self.sections, indent=1) + "\n")
            os.replace(new, self.path)

    def of(self, section):
        """{part: result}, in the section's own order."""
        measured = self.sections.get(section, {})
        return {part: measured[part]["result"] for part in SECTIONS[section].PARTS
                if part in measured}


def values(measured, key):
    """What the parts say, each once: usually one value."""
    return list(dict.fromkeys(part[key] for part in measured.values()))


def repeat_text(measured):
    """When, where and how the parts of a section were measured."""
    commands = "\n".join(values(measured, "command"))
    when = ", ".join(sorted(values(measured, "date")))
    return (f"Measured {when} at commit {', '.join(values(measured, 'commit'))}:\n\n"
            f"```sh\n{commands}\n```")


def facts(sections):
    parts = {f"{name}/{part}": data for name, measured in sections.items()
             for part, data in measured.items()}
    known = {}
    for part in parts.values():
        known.update(part["versions"])
    where = "; ".join(values(parts, "machine"))
    return (f"Machine: {where}. "
            + ", ".join(f"{title} {version}" for title, version in known.items())
            + ". Each section has its own date and commit.")


def render(results, quick=False):
    lines = [line for name, section in SECTIONS.items()
             for line in section.headline(results.of(name))]
    below = sum(line.met is False for line in lines)
    missing = sum(line.measured in ("not measured", "failed") for line in lines)
    met = sum(line.met is True for line in lines)
    texts = [
        "# Benchmarks",
        "Made by `tests/benchmark/run`; not to be edited by hand. Only ratios of programs that ran "
        "side by side mean anything on another machine.",
        "**A quick trial of the programs: its figures mean nothing.**" if quick else "",
        facts(results.sections) if results.sections else "Nothing is measured yet.",
        f"Bars met: {met} of {met + below}." + (f" Not measured: {missing}." if missing else ""),
        markdown(["what", "against", "bar", "measured", ""], [line.cells() for line in lines],
                 alignment="|---|---|---|---|---|"),
    ]
    for name, section in SECTIONS.items():
        measured = results.sections.get(name)
        texts += [f"## {section.TITLE}", section.ABOUT]
        texts += [section.body(results.of(name)), repeat_text(measured)] if measured else [
            "Not measured yet."]
    if PROFILE.exists():
        texts += ["## Where the time goes", PROFILE.read_text().strip()]
    return "\n\n".join(text for text in texts if text) + "\n"


def write(results):
    """Writes the page and what it shows."""
    PAGE.parent.mkdir(exist_ok=True)
    for name, section in SECTIONS.items():
        if hasattr(section, "draw"):
            section.draw(results.of(name))
    PAGE.write_text(render(results))
