#!/usr/bin/env python3
"""Writes losses.json: every loss with every option, 50 steps of small MLPs trained by PyTorch in float64.

Data, batches and initial weights are those of make_training.py, whose head describes them; here hidden layers are tanh
and the optimizer is SGD with momentum. With weights, a batch's loss is sum(w * loss) / sum(w) over its rows, w being the
sample's weight times that of its class: PyTorch's own mean where only CrossEntropyLoss has class weights, and put
together from `reduction="none"` elsewhere. Class weights with probabilities are factors of the terms within a row, and
the mean is over the rows, as in PyTorch.
    softmax_cross_entropy  CrossEntropyLoss(weight, label_smoothing)
    binary_cross_entropy   BCEWithLogitsLoss          mean_squared_error   MSELoss
    mean_absolute_error    L1Loss                     huber                HuberLoss(delta)
    hinge                  MultiMarginLoss for classes; clamp(1 - t z, min=0) for t = 2 y - 1 else
    kullback_leibler       KLDivLoss(reduction="batchmean") on log_softmax
Where a loss has a kink (mean_absolute_error, hinge), a case whose outputs come closer than KINK_MARGIN to it in any step
is drawn again, so that rounding alone cannot take another branch.

Schema of losses.json
    torch, batch_size, features (N, I), labels (N) as in training.json
    values (N, 5), probabilities (N, 5), truths (N, 5) of 0 or 1, binary (N) of 0 or 1
    sample_weights (N), class_weights (5), binary_class_weights (2)
    cases    list of
      name, loss, output_activation, widths, label_smoothing, huber_delta
      target            labels | binary | values | probabilities | truths
      sample_weighted, class_weighted
      learning_rate, momentum
      initial, final    per layer {weight (O, I), bias (O)}
      losses            (50) of each step before its update

Usage: make_losses.py [output path]
"""

import json
import pathlib
import random
import sys

import torch
from torch import nn
from torch.nn import functional as F

import make_training as base

STEPS, LEARNING_RATE, MOMENTUM = 50, 0.05, 0.9
KINK_MARGIN = 2e-5
CLASS_WEIGHTS, BINARY_CLASS_WEIGHTS = [0.5, 2.0, 1.25, 0.0, 0.75], [0.5, 1.75]


def f32(values):
    """The nearest float32, which every reader of its shortest text gets."""
    return [[float(f"{v:.9g}") for v in row] for row in torch.tensor(values, dtype=torch.float32).tolist()]


def make_data():
    features, labels, values = base.make_data()
    rng = random.Random(7)
    return {
        "features": features,
        "labels": labels,
        "values": values,
        "probabilities": f32(torch.softmax(2 * torch.tensor(values, dtype=torch.float64), dim=1).tolist()),
        "truths": [[float(v > 0.25) for v in row] for row in values],
        "binary": [int(label > 1) for label in labels],
        "sample_weights": [rng.randrange(0, 13) / 4 for _ in labels],
        "class_weights": CLASS_WEIGHTS,
        "binary_class_weights": BINARY_CLASS_WEIGHTS,
    }


def case(loss, target, output="linear", smoothing=0.0, delta=1.0, samples=False, classes=False):
    words = [loss, target, output] + [f"smooth {smoothing}"] * (smoothing > 0) + [f"delta {delta}"] * (delta != 1)
    words += ["sample weights"] * samples + ["class weights"] * classes
    outputs = 1 if target == "binary" else base.O
    return {"name": "/".join(words), "loss": loss, "target": target, "output_activation": output,
            "widths": [base.I, 7, outputs], "label_smoothing": smoothing, "huber_delta": delta,
            "sample_weighted": samples, "class_weighted": classes, "learning_rate": LEARNING_RATE,
            "momentum": MOMENTUM}


def all_cases():
    ce, bce, hinge, kl = "softmax_cross_entropy", "binary_cross_entropy", "hinge", "kullback_leibler"
    for smoothing in [0.0, 0.1]:
        for target in ["labels", "probabilities"]:
            for samples, classes in [(False, False), (False, True), (True, False), (True, True)]:
                yield case(ce, target, smoothing=smoothing, samples=samples, classes=classes)
    for target in ["labels", "binary", "truths"]:
        for loss in [bce, hinge]:
            yield case(loss, target)
            yield case(loss, target, samples=True, classes=target != "truths")
    for target in ["labels", "probabilities"]:
        yield case(kl, target)
        yield case(kl, target, samples=True, classes=target == "labels")
    for loss, delta in [("mean_squared_error", 1.0), ("mean_absolute_error", 1.0), ("huber", 1.0), ("huber", 0.3)]:
        for target, output in [("values", "linear"), ("values", "tanh"), ("probabilities", "softmax"),
                               ("labels", "linear"), ("binary", "sigmoid")]:
            yield case(loss, target, output, delta=delta)
            yield case(loss, target, output, delta=delta, samples=True, classes=target in ["labels", "binary"])


def row_losses(case, z, y, class_weights):
    """(rows) losses, (rows) class weights of the rows in the mean, and the distance to the nearest kink."""
    ones, far = torch.ones(len(z), dtype=z.dtype), float("inf")
    given, name = case["target"], case["loss"]
    if name == "softmax_cross_entropy":
        loss = nn.CrossEntropyLoss(weight=class_weights, label_smoothing=case["label_smoothing"], reduction="none")
        # Their weights are in the losses already.
        own = class_weights[y] if class_weights is not None and given == "labels" else ones
        return loss(z, y), own, far
    own = class_weights[y] if class_weights is not None else ones
    if name == "hinge" and given == "labels":
        margins = 1 + z - z.gather(1, y[:, None])
        others = margins[F.one_hot(y, z.shape[1]) == 0]
        return nn.MultiMarginLoss(reduction="none")(z, y) * own, own, others.detach().abs().min().item()
    # Classes as numbers: one-hot, or the class itself of a single output.
    t = {"labels": lambda: F.one_hot(y, z.shape[1]), "binary": lambda: y[:, None]}.get(given, lambda: y)().to(z.dtype)
    if name == "hinge":
        margins = 1 - (2 * t - 1) * z
        return margins.clamp(min=0).mean(1) * own, own, margins.detach().abs().min().item()
    if name == "kullback_leibler":
        return nn.KLDivLoss(reduction="none")(F.log_softmax(z, 1), t).sum(1) * own, own, far
    criterion = {
        "binary_cross_entropy": nn.BCEWithLogitsLoss(reduction="none"),
        "mean_squared_error": nn.MSELoss(reduction="none"),
        "mean_absolute_error": nn.L1Loss(reduction="none"),
        "huber": nn.HuberLoss(reduction="none", delta=case["huber_delta"]),
    }[name]
    kink = (z - t).detach().abs().min().item() if name == "mean_absolute_error" else far
    return criterion(z, t).mean(1) * own, own, kink


def whole(case, z, y, class_weights):
    """PyTorch's own mean, where it has one."""
    if case["sample_weighted"] or (class_weights is not None and case["loss"] != "softmax_cross_entropy"):
        return None
    if case["loss"] == "softmax_cross_entropy":
        return nn.CrossEntropyLoss(weight=class_weights, label_smoothing=case["label_smoothing"])(z, y)
    if case["loss"] == "hinge" and case["target"] == "labels":
        return nn.MultiMarginLoss()(z, y)
    if case["loss"] == "kullback_leibler" and case["target"] == "probabilities":
        return nn.KLDivLoss(reduction="batchmean")(F.log_softmax(z, 1), y)
    return None


def train(case, data, initial, dtype):
    x = torch.tensor(data["features"], dtype=dtype)
    targets = torch.tensor(data[case["target"]])
    targets = targets.to(dtype) if targets.is_floating_point() else targets
    weights = torch.tensor(data["sample_weights"], dtype=dtype)
    names = "binary_class_weights" if case["target"] == "binary" else "class_weights"
    class_weights = torch.tensor(data[names], dtype=dtype) if case["class_weighted"] else None
    layers = [nn.Linear(len(l["weight"][0]), len(l["bias"]), dtype=dtype) for l in initial]
    with torch.no_grad():
        for layer, start in zip(layers, initial):
            layer.weight.copy_(torch.tensor(start["weight"], dtype=dtype))
            layer.bias.copy_(torch.tensor(start["bias"], dtype=dtype))
    parameters = [p for layer in layers for p in layer.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=LEARNING_RATE, momentum=MOMENTUM)
    activate = base.ACTIVATIONS[case["output_activation"]]
    losses, nearest, row = [], float("inf"), 0
    for _ in range(STEPS):
        rows = slice(row, min(row + base.BATCH, base.N))
        z, y = activate(layers[1](torch.tanh(layers[0](x[rows])))), targets[rows]
        each, own, kink = row_losses(case, z, y, class_weights)
        nearest = min(nearest, kink)
        w = weights[rows] if case["sample_weighted"] else torch.ones(len(z), dtype=dtype)
        loss = (w * each).sum() / (w * own).sum()
        reference = whole(case, z, y, class_weights)
        if reference is not None:
            assert abs(loss - reference).item() < (1e-12 if dtype == torch.float64 else 1e-5), case["name"]
            loss = reference
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        row = rows.stop % base.N
    return losses, [{"weight": l.weight.tolist(), "bias": l.bias.tolist()} for l in layers], nearest


def run(index, case, data):
    for attempt in range(200):
        initial = base.initial_weights(random.Random(5000 * (index + 1) + attempt), case["widths"])
        losses, final, nearest = train(case, data, initial, torch.float64)
        if nearest >= KINK_MARGIN:
            break
    else:
        raise SystemExit(f"{case['name']}: every start comes closer than {KINK_MARGIN} to a kink")
    _, final_f32, _ = train(case, data, initial, torch.float32)
    error = max(abs(a - b) for a, b in zip(base.flat(final_f32), base.flat(final)))
    print(f"{case['name']:75} {losses[0]:.4f} to {losses[-1]:.4f}  f32 error {error:.1e}  attempt {attempt}")
    return case | {"initial": initial, "final": final, "losses": losses}


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    path = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).with_name("losses.json")
    data = make_data()
    cases = [run(index, case, data) for index, case in enumerate(all_cases())]
    assert len({c["name"] for c in cases}) == len(cases), "names must be unique"
    golden = {"torch": torch.__version__.split("+")[0], "batch_size": base.BATCH} | data | {"cases": cases}
    path.write_text(base.text(golden) + "\n")
    print(f"{path}: {len(cases)} cases, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
