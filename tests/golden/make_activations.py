#!/usr/bin/env python3
"""Writes activations.json: every activation in small MLPs trained by PyTorch for 50 steps.

Data, batches, initial weights and JSON are those of make_training.py, which see. Each activation stands once in the hidden
layers of a 11-9-7-5 network under softmax cross-entropy and, if it may be the last, once at the output of a 11-7-5 network
under mean squared error against `values`; SGD with momentum 0.9 and learning rate 0.05 (0.02 under the squared error). Where
a derivative has a kink, a start whose pre-activations come closer than KINK_MARGIN to it is drawn again.

Schema of activations.json
    batch_size, features, labels, values   as in training.json
    cases   list of {name, loss, hidden_activation, output_activation, widths, learning_rate, initial, losses_f64 (50),
            final, final_f32_error}, as in training.json

Usage: make_activations.py [output path]
"""

import pathlib
import sys

import make_training as base
import torch
from torch import nn

F = nn.functional
base.STEPS = 50
MOMENTUM = 0.9

# name: function, places of its derivative's kinks
ACTIVATIONS = {
    "linear": (lambda z: z, []),
    "relu": (torch.relu, [0]),
    "leaky_relu": (F.leaky_relu, [0]),
    "elu": (F.elu, [0]),
    "selu": (F.selu, [0]),
    "gelu": (F.gelu, []),
    "gelu_tanh": (lambda z: F.gelu(z, approximate="tanh"), []),
    "silu": (F.silu, []),
    "softplus": (F.softplus, []),
    "sigmoid": (torch.sigmoid, []),
    "hard_sigmoid": (F.hardsigmoid, [-3, 3]),
    "tanh": (torch.tanh, []),
    "softmax": (lambda z: torch.softmax(z, dim=1), []),
}
HIDDEN = [name for name in ACTIVATIONS if name != "softmax"]
# Those whose derivative needs the sum are not for the output in wgrad.
OUTPUT = [name for name in ACTIVATIONS if name not in ("gelu", "gelu_tanh", "silu")]


def forward(case, layers, x):
    """Outputs, and how close any pre-activation of this batch comes to a kink."""
    names = [case["hidden_activation"]] * (len(layers) - 1) + [case["output_activation"]]
    nearest_kink = float("inf")
    for layer, name in zip(layers, names):
        z = layer(x)
        function, kinks = ACTIVATIONS[name]
        for kink in kinks:
            nearest_kink = min(nearest_kink, (z.detach() - kink).abs().min().item())
        x = function(z)
    return x, nearest_kink


def all_cases():
    for name in HIDDEN:
        yield {"name": f"hidden/{name}", "loss": "softmax_cross_entropy", "hidden_activation": name,
               "output_activation": "linear", "widths": [base.I, 9, 7, base.O], "learning_rate": 0.05}
    for name in OUTPUT:
        yield {"name": f"output/{name}", "loss": "mean_squared_error", "hidden_activation": "tanh",
               "output_activation": name, "widths": [base.I, 7, base.O], "learning_rate": 0.02}


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    default = pathlib.Path(__file__).with_name("activations.json")
    path = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    base.forward = forward
    base.make_optimizer = lambda layers, case: torch.optim.SGD(
        [p for layer in layers for p in (layer.weight, layer.bias)], lr=case, momentum=MOMENTUM)
    data = base.make_data()
    cases = []
    for index, case in enumerate(all_cases()):
        targets = "classes" if case["loss"] == "softmax_cross_entropy" else "values"
        made = base.run(100 + index, case | {"target": targets, "optimizer": case["learning_rate"]}, data)
        cases.append({key: value for key, value in made.items() if key not in ("target", "optimizer", "losses_f32")})
    features, labels, values = data
    golden = {"torch": torch.__version__.split("+")[0], "batch_size": base.BATCH, "features": features,
              "labels": labels, "values": values, "cases": cases}
    path.write_text(base.text(golden) + "\n")
    print(f"{path}: {len(cases)} cases, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
