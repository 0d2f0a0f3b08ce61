#!/usr/bin/env python3
"""Models between wgrad and PyTorch, both ways.

Usage: make_pytorch.py WGRAD          WGRAD is the binary; make_onnx.py has to have run

Written into `pytorch/`
    DTYPE.safetensors       the state dict of a small nn.Sequential with both norms, in float32, float16, bfloat16 and
                            float64: what `wgrad import` is for
    exported.safetensors    the first, imported by wgrad and exported again
    pytorch.json            rows, and by dtype what PyTorch makes of them in float32: logits (N, O)

Checked (nothing is written where one fails)
    PyTorch loads exported.safetensors, and what wgrad exports of every model of make_onnx.py that has no residual, by the
    Python that `wgrad export` prints, with strict=True, and gives the same outputs: as the module that it came from to the
    last bit, as onnxruntime within 1e-5.
"""

import gzip
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

HERE = pathlib.Path(__file__).resolve().parent
DIR = HERE / "pytorch"
MNIST = HERE.parent.parent / "datasets/mnist/t10k-images-idx3-ubyte.gz"
DTYPES = [torch.float32, torch.float16, torch.bfloat16, torch.float64]
TOLERANCE = 1e-5


def module():
    return nn.Sequential(
        nn.Linear(5, 7), nn.BatchNorm1d(7), nn.GELU(), nn.Dropout(0.25),
        nn.Linear(7, 6, bias=False), nn.LayerNorm(6), nn.GELU(), nn.Dropout(0.25),
        nn.Linear(6, 3),
    )


def trained():
    """With parameters and running statistics that are none of the defaults."""
    torch.manual_seed(3)
    model = module()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    model.train()
    for _ in range(5):
        model(2 * torch.randn(16, 5) + 1)
    return model.eval()


def rows():
    i, j = torch.arange(12).reshape(-1, 1), torch.arange(5)
    return torch.sin(i * 3.7 + j * 1.3) * 2


def run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stderr}")
    return done.stdout


def loaded(wgrad, model, place):
    """The module that PyTorch loads by the program that `wgrad export` prints; strict is load_state_dict's default."""
    scope = {}
    exec(run(wgrad, "export", model, place), scope)  # noqa: S102
    return scope["model"]


def onnx_rows(rows, arrays):
    if "mnist" in rows:
        with gzip.open(MNIST) as file:
            data = np.frombuffer(file.read(16 + 784 * rows["mnist"]), np.uint8)[16:]
        return torch.tensor(data.reshape(-1, 784).astype(np.float32) / 255)
    return torch.tensor(arrays[rows["array"]])


def check_exports(wgrad, place):
    """Every model of make_onnx.py whose rows need no preparation."""
    golden = json.loads((HERE / "onnx/onnx.json").read_text())
    worst, count = 0.0, 0
    for case in golden["cases"]:
        if "table" in case["rows"] or case["name"].startswith("pixels"):
            continue  # rows that are prepared
        with torch.no_grad():
            outputs = loaded(wgrad, HERE / case["model"], place)(onnx_rows(case["rows"], golden["arrays"]))
        if not case["name"].startswith("output"):
            outputs = torch.softmax(outputs, dim=1)  # they were trained on classes, and give logits
        wanted = torch.tensor(next(values for name, values in case["outputs"].items() if name != "class"))
        difference = (outputs - wanted).abs().max().item()
        if not difference <= TOLERANCE:
            raise SystemExit(f"{case['name']}: PyTorch and onnxruntime differ by {difference:.1e}")
        worst, count = max(worst, difference), count + 1
    print(f"{count} models exported to PyTorch, outputs within {worst:.1e} of onnxruntime's")


def main():
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    wgrad = pathlib.Path(sys.argv[1]).resolve()
    torch.set_num_threads(1)
    DIR.mkdir(exist_ok=True)
    model, x = trained(), rows()
    golden = {"torch": torch.__version__, "rows": x.tolist(), "logits": {}}
    for dtype in DTYPES:
        name = str(dtype).removeprefix("torch.")
        state = {key: value.to(dtype) if value.is_floating_point() else value
                 for key, value in model.state_dict().items()}
        save_file({key: value.contiguous() for key, value in state.items()}, DIR / f"{name}.safetensors")
        same = module()
        same.load_state_dict({key: value.float() if value.is_floating_point() else value
                              for key, value in state.items()})
        with torch.no_grad():
            golden["logits"][name] = same.eval()(x).tolist()
    with tempfile.TemporaryDirectory() as place:
        imported, exported = pathlib.Path(place) / "model.safetensors", DIR / "exported.safetensors"
        run(wgrad, "import", DIR / "float32.safetensors", "--loss", "ce", "--activation", "gelu", "--dropout", "0.25",
            "-o", imported)
        with torch.no_grad():
            difference = (loaded(wgrad, imported, exported)(x) - model(x)).abs().max().item()
        if difference != 0:
            raise SystemExit(f"imported and exported again, the module gives other outputs, by {difference:.1e}")
        check_exports(wgrad, pathlib.Path(place) / "state.safetensors")
    (DIR / "pytorch.json").write_text(json.dumps(golden, allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
