"""A few steps of torch.optim.SGD and Adam with given gradients; writes optimizers.json.

Each case starts from the same parameters; step t (from 0) uses gradients[t]; `parameters` lists
them after each step. Options that a case leaves out have PyTorch's defaults (Adam: betas 0.9,
0.999; epsilon 1e-8). Computed in float64 from values that are exact in float32.
"""

import json
import pathlib

import torch

START = [0.5, -1.25, 2.0, 0.0, -0.0625]
GRADIENTS = [
    [0.25, -0.5, 1.0, 0.0, 3.0],
    [-0.125, 0.75, 1.0, 0.001953125, -2.0],
    [0.0, -0.25, -4.0, 0.0, 0.5],
    [1.5, 0.0, 0.03125, -0.5, 0.25],
]
CASES = [
    ("sgd", dict(lr=0.1)),
    ("sgd", dict(lr=0.1, weight_decay=0.01)),
    ("sgd", dict(lr=0.1, momentum=0.9)),
    ("sgd", dict(lr=0.05, momentum=0.5, weight_decay=0.125)),
    ("adam", dict(lr=0.01)),
    ("adam", dict(lr=0.1, weight_decay=0.01)),
]


def steps(optimizer, options):
    w = torch.tensor(START, dtype=torch.float64, requires_grad=True)
    make = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[optimizer]
    optimizer = make([w], **options)
    history = []
    for gradient in GRADIENTS:
        w.grad = torch.tensor(gradient, dtype=torch.float64)
        optimizer.step()
        history.append(w.tolist())
    return history


def main():
    result = {
        "made_by": f"tests/reference/optimizers.py, torch {torch.__version__.split('+')[0]}",
        "start": START,
        "gradients": GRADIENTS,
        "cases": [{"optimizer": name, **options, "parameters": steps(name, options)}
                  for name, options in CASES],
    }
    path = pathlib.Path(__file__).with_name("optimizers.json")
    path.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
