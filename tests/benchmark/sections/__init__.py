"""The sections of the benchmark, in the page's order.

A section is a module with
  TITLE, ABOUT     its heading and what is measured how, for the page
  PARTS            names of what can be measured on its own
  TARGETS          what has to be built for it
  measure(part, bench) -> JSON  measures one part
  headline(results) -> [Line]   its lines of the headline table; `results` are the measured parts
  body(results) -> text         Markdown
  draw(results)                 if it has one: writes its figure beside the page
"""

from sections import (accuracy, federation, growth, million, peers, pfl_benchmark, steps, workers)

SECTIONS = {
    "steps": steps,
    "workers": workers,
    "peers": peers,
    "federation": federation,
    "million": million,
    "pfl": pfl_benchmark,
    "growth": growth,
    "accuracy": accuracy,
}
