#!/usr/bin/env python3
"""Writes training.json: small MLPs trained for 20 steps with SGD and Adam, under three losses and every kind of decay.

Outputs are what the last layer gives after its activation; `classes` are one-hot rows where the loss takes values.
golden.py describes the runs and the schema.
"""

import golden

INPUTS, OUTPUTS, EPOCHS, BATCH = 11, 5, 4, 8
CE, BCE, MSE = "softmax_cross_entropy", "binary_cross_entropy", "mean_squared_error"
SHORT = {CE: "ce", BCE: "bce", MSE: "mse"}


def sgd(momentum=0.0, nesterov=False, weight_decay=0.0, **spec):
    return ({"sgd": {"nesterov": nesterov}}, 0.1, momentum), weight_decay, spec


def adam(weight_decay=0.0, **spec):
    return ({"adam": {"beta2": 0.999, "epsilon": 1e-8}}, 0.01, 0.9), weight_decay, spec


OPTIMIZERS = {
    "sgd": sgd(),
    "momentum": sgd(momentum=0.9),
    "nesterov": sgd(momentum=0.9, nesterov=True),
    "momentum+decay": sgd(momentum=0.9, weight_decay=0.01),
    "adam": adam(),
    "adam+decay": adam(weight_decay=0.01),
    # A decay large enough that decaying the biases too would show.
    "momentum+decay-weights-only": sgd(momentum=0.9, weight_decay=0.1, decay_biases=False),
    "adam+decay-weights-only": adam(weight_decay=0.1, decay_biases=False),
}


def run(loss, optimizer, target="labels", hidden="relu", output="linear", widths=(INPUTS, 7, OUTPUTS)):
    name = "/".join([SHORT[loss], target, hidden, output, "-".join(map(str, widths)), optimizer])
    rule, decay, spec = OPTIMIZERS[optimizer]
    return golden.run(name, golden.plain(widths, hidden, output), rule, loss, target, batch=BATCH, epochs=EPOCHS,
                      replica={"weight_decay": decay}, **spec)


def runs():
    for loss, target in [(CE, "labels"), (BCE, "labels"), (MSE, "values"), (MSE, "labels")]:
        for optimizer in ["sgd", "momentum", "nesterov", "momentum+decay", "adam", "adam+decay"]:
            yield run(loss, optimizer, target)
    for optimizer in ["momentum+decay-weights-only", "adam+decay-weights-only"]:
        yield run(CE, optimizer)
    for hidden in ["linear", "sigmoid", "tanh", "leaky_relu"]:
        yield run(CE, "adam", hidden=hidden)
        yield run(MSE, "sgd", "values", hidden=hidden)
    for output in ["sigmoid", "tanh", "relu", "softmax"]:
        yield run(MSE, "momentum", "values", output=output)
    yield run(CE, "adam", widths=(INPUTS, 9, 7, OUTPUTS))
    yield run(MSE, "nesterov", "values", hidden="tanh", widths=(INPUTS, 9, 7, OUTPUTS))


if __name__ == "__main__":
    data = golden.make_data(1, 37, INPUTS, OUTPUTS)
    golden.save("training.json", data, runs(), lambda index, attempt: 1000 * (index + 1) + attempt)
