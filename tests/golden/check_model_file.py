#!/usr/bin/env python3
"""Loads a model file written by wgrad into PyTorch and writes what PyTorch computes with it.

Usage: check_model_file.py model.safetensors        writes model.golden.json beside it

What the file must hold
    tensors    layers.N.weight (O, I) and layers.N.bias (O), float32, N counting dense layers from 0: the names and
               shapes that load_state_dict expects of a module whose `layers` is an nn.ModuleList of nn.Linear
    metadata   a string `wgrad`, JSON with {"model": {"inputs": I, "layers": [{"units": O, "activation": "relu"}, ...]}}

What is written
    inputs       I; rows are not stored: row i, column j is ((i * 31 + j * 17) % 256) / 255, rounded to float32
    rows         16
    logits_f32   (16, O) the last dense layer before its activation, computed in float32
    logits_f64   (16, O) the same weights and rows in float64: the value to hold an error bound against
    outputs_f64  (16, O) after the last layer's activation
"""

import json
import pathlib
import sys

import torch
from safetensors import safe_open
from torch import nn

ROWS = 16
ACTIVATIONS = {
    "linear": lambda z: z,
    "relu": torch.relu,
    "leaky_relu": lambda z: nn.functional.leaky_relu(z, 0.01),
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "softmax": lambda z: torch.softmax(z, dim=1),
}


class Mlp(nn.Module):
    def __init__(self, inputs, units, activations):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(i, o) for i, o in zip([inputs, *units], units))
        self.activations = activations

    def logits(self, x):
        for layer, name in zip(self.layers[:-1], self.activations):
            x = ACTIVATIONS[name](layer(x))
        return self.layers[-1](x)

    def forward(self, x):
        return ACTIVATIONS[self.activations[-1]](self.logits(x))


def read(path):
    """The tensors by name, and the model's description."""
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    if "wgrad" not in metadata:
        raise SystemExit(f"{path}: no `wgrad` string in the metadata, which has {sorted(metadata)}")
    return tensors, json.loads(metadata["wgrad"])["model"]


def build(model, tensors):
    # load_state_dict refuses unknown and missing names and wrong shapes, but converts other types in silence.
    wrong = {name: str(t.dtype) for name, t in tensors.items() if t.dtype != torch.float32}
    if wrong:
        raise SystemExit(f"expected float32 tensors, found {wrong}")
    unknown = [layer for layer in model["layers"] if layer.get("activation", "linear") not in ACTIVATIONS]
    if unknown:
        raise SystemExit(f"unknown activations in {unknown}; known are {sorted(ACTIVATIONS)}")
    activations = [layer.get("activation", "linear") for layer in model["layers"]]
    mlp = Mlp(model["inputs"], [layer["units"] for layer in model["layers"]], activations)
    mlp.load_state_dict(tensors, strict=True)
    return mlp.eval()


def golden_rows(inputs):
    i, j = torch.arange(ROWS).reshape(-1, 1), torch.arange(inputs)
    return ((i * 31 + j * 17) % 256).to(torch.float32) / 255


def main():
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    path = pathlib.Path(sys.argv[1])
    tensors, model = read(path)
    mlp, x = build(model, tensors), golden_rows(model["inputs"])
    torch.set_num_threads(1)
    with torch.no_grad():
        f32 = mlp.logits(x)
        mlp, x = mlp.double(), x.double()  # double() converts the module itself, so float32 had to be first
        f64, outputs = mlp.logits(x), mlp(x)
    if not (f32.isfinite().all() and f64.isfinite().all()):
        raise SystemExit(f"{path}: logits are not finite")
    golden = {"inputs": model["inputs"], "rows": ROWS, "logits_f32": f32.tolist(), "logits_f64": f64.tolist(),
              "outputs_f64": outputs.tolist()}
    out = path.with_suffix(".golden.json")
    out.write_text(json.dumps(golden, allow_nan=False) + "\n")
    difference = (f32.double() - f64).abs().max().item()
    print(f"{out}: {len(mlp.layers)} dense layers, {ROWS} rows, float32 within {difference:.1e} of float64")


if __name__ == "__main__":
    main()
