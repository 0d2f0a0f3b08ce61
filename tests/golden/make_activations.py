#!/usr/bin/env python3
"""Writes activations.json: every activation in small MLPs trained for 50 steps.

Each activation stands once in the hidden layers of a 11-9-7-5 network under softmax cross-entropy and, if it may be the
last, once at the output of a 11-7-5 network under mean squared error; SGD with momentum. Data are those of
make_training.py; golden.py describes the runs and the schema.
"""

import golden

INPUTS, OUTPUTS, EPOCHS, BATCH = 11, 5, 10, 8
# Those whose derivative needs the sum are not for the output in wgrad.
HIDDEN_ONLY = ("gelu", "gelu_tanh", "silu")


def runs():
    momentum = lambda rate: ({"sgd": {"nesterov": False}}, rate, 0.9)
    for name in golden.ACTIVATIONS:
        if name != "softmax":
            model = golden.plain([INPUTS, 9, 7, OUTPUTS], name)
            yield golden.run(f"{name}/hidden", model, momentum(0.05), batch=BATCH, epochs=EPOCHS)
    for name in golden.ACTIVATIONS:
        if name not in HIDDEN_ONLY:
            model = golden.plain([INPUTS, 7, OUTPUTS], "tanh", name)
            yield golden.run(f"{name}/output", model, momentum(0.02), "mean_squared_error", "values", batch=BATCH, epochs=EPOCHS)


if __name__ == "__main__":
    data = golden.make_data(1, 37, INPUTS, OUTPUTS)
    golden.save("activations.json", data, runs(), lambda index, attempt: 1000 * (index + 101) + attempt)
