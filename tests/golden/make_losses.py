#!/usr/bin/env python3
"""Writes losses.json: every loss with every target, option and kind of weight, 50 steps each.

Features, classes and values are those of make_training.py; hidden layers are tanh and the optimizer is SGD with momentum.
    softmax_cross_entropy  CrossEntropyLoss(weight, label_smoothing)
    binary_cross_entropy   BCEWithLogitsLoss          mean_squared_error   MSELoss
    mean_absolute_error    L1Loss                     huber                HuberLoss(delta)
    hinge                  MultiMarginLoss for classes; clamp(1 - t z, min=0) for t = 2 y - 1 else
    kullback_leibler       KLDivLoss(reduction="batchmean") on log_softmax
Weights and probabilities, which PyTorch's means do not take everywhere, are put together from `reduction="none"`: see
`mean_loss` in golden.py, which describes the runs and the schema too.
"""

import random

import torch

import golden

INPUTS, OUTPUTS, EPOCHS, BATCH = 11, 5, 10, 8
CLASS_WEIGHTS, BINARY_CLASS_WEIGHTS = [0.5, 2.0, 1.25, 0.0, 0.75], [0.5, 1.75]


def f32(values):
    """The nearest float32, which every reader of its shortest text gets."""
    return [[float(f"{v:.9g}") for v in row] for row in torch.tensor(values, dtype=torch.float32).tolist()]


def make_data():
    data, rng = golden.make_data(1, 37, INPUTS, OUTPUTS), random.Random(7)
    labels, values = data["targets"]["labels"], data["targets"]["values"]
    data["targets"] |= {
        "probabilities": f32(torch.softmax(2 * torch.tensor(values, dtype=torch.float64), dim=1).tolist()),
        "truths": [[float(v > 0.25) for v in row] for row in values],
        "binary": [int(label > 1) for label in labels],
    }
    return data | {"weights": [rng.randrange(0, 13) / 4 for _ in labels]}


def run(loss, target, output="linear", smoothing=0.0, delta=1.0, samples=False, classes=False):
    words = [loss, target, output] + [f"smooth {smoothing}"] * (smoothing > 0) + [f"delta {delta}"] * (delta != 1)
    words += ["sample weights"] * samples + ["class weights"] * classes
    outputs, weights = (1, BINARY_CLASS_WEIGHTS) if target == "binary" else (OUTPUTS, CLASS_WEIGHTS)
    options = {"label_smoothing": smoothing, "huber_delta": delta} | ({"class_weights": weights} if classes else {})
    model = golden.plain([INPUTS, 7, outputs], "tanh", output)
    return golden.run("/".join(words), model, ({"sgd": {"nesterov": False}}, 0.05, 0.9), loss, target, batch=BATCH,
                      epochs=EPOCHS, weighted=samples, loss_options=options)


def runs():
    ce, bce, hinge, kl = "softmax_cross_entropy", "binary_cross_entropy", "hinge", "kullback_leibler"
    for smoothing in [0.0, 0.1]:
        for target in ["labels", "probabilities"]:
            for samples, classes in [(False, False), (False, True), (True, False), (True, True)]:
                yield run(ce, target, smoothing=smoothing, samples=samples, classes=classes)
    for target in ["labels", "binary", "truths"]:
        for loss in [bce, hinge]:
            yield run(loss, target)
            yield run(loss, target, samples=True, classes=target != "truths")
    for target in ["labels", "probabilities"]:
        yield run(kl, target)
        yield run(kl, target, samples=True, classes=target == "labels")
    for loss, delta in [("mean_squared_error", 1.0), ("mean_absolute_error", 1.0), ("huber", 1.0), ("huber", 0.3)]:
        for target, output in [("values", "linear"), ("values", "tanh"), ("probabilities", "softmax"),
                               ("labels", "linear"), ("binary", "sigmoid")]:
            yield run(loss, target, output, delta=delta)
            yield run(loss, target, output, delta=delta, samples=True, classes=target in ["labels", "binary"])


if __name__ == "__main__":
    golden.save("losses.json", make_data(), runs(), lambda index, attempt: 5000 * (index + 1) + attempt)
