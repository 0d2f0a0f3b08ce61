#!/usr/bin/env python3
"""Writes runs.json: every optimizer, schedule, penalty and limit on gradients and weights, 50 steps each.

golden.py describes the runs and the schema. Lion is its authors' program, since PyTorch 2.15 has none; max-norm is Keras'
formula.
"""

import golden

SAMPLES, INPUTS, OUTPUTS, BATCH, EPOCHS = 37, 7, 4, 8, 10  # 5 steps an epoch, 50 in all


def run(name, optimizer="sgd", loss="softmax_cross_entropy", replica=None, batch=BATCH, **spec):
    target = "labels" if loss == "softmax_cross_entropy" else "values"
    epochs = EPOCHS if batch < SAMPLES else 50
    model = golden.plain([INPUTS, 6, OUTPUTS], "tanh")
    return golden.run(name, model, optimizer, loss, target, batch=batch, epochs=epochs, replica=replica, **spec)


def runs():
    for name in golden.optimizer_specs():
        batch = SAMPLES if name == "gradient-descent" else BATCH
        yield run(f"{name}", name, batch=batch)
        yield run(f"{name}/decay", name, "mean_squared_error", replica={"weight_decay": 0.05}, batch=batch)
        yield run(f"{name}/decay/weights-only", name, replica={"weight_decay": 0.5}, batch=batch, decay_biases=False)
        # Rates at which the runs go somewhere.
        rate = {"lion": 0.01, "adam": 0.02, "adamw": 0.02, "nadam": 0.02, "adagrad": 0.1}.get(name)
        if rate:
            yield run(f"{name}/fast", name, replica={"learning_rate": rate}, batch=batch)
    yield run("adagrad/options", ({"adagrad": {"rate_decay": 0.1, "initial": 0.1, "epsilon": 1e-6}}, 0.1, 0.0))
    nadam = {"beta2": 0.99, "epsilon": 1e-8, "momentum_decay": 0.1, "decoupled": True}
    yield run("nadam/decoupled", ({"nadam": nadam}, 0.01, 0.8), replica={"weight_decay": 0.1})
    for optimizer in ["sgd", "adam", "adamw"]:
        yield run(f"l1/{optimizer}", optimizer, replica={"l1": 0.01})
        yield run(f"elastic-net/{optimizer}", optimizer, replica={"l1": 0.02, "weight_decay": 0.03}, decay_biases=False)
    for optimizer in ["sgd", "adam", "adamw", "rmsprop-centered-momentum", "adadelta"]:
        yield run(f"clip-value/{optimizer}", optimizer, clip={"value": 0.02}, replica={"weight_decay": 0.02})
        yield run(f"clip-norm/{optimizer}", optimizer, clip={"norm": 0.3}, replica={"weight_decay": 0.02, "l1": 0.01})
    yield run("clip-norm/loose", "momentum", clip={"norm": 100.0}, decay_biases=False, replica={"weight_decay": 0.1})
    for optimizer in ["sgd", "adam"]:
        yield run(f"max-norm/{optimizer}", optimizer, max_norm=0.7)
    yield run("max-norm/clipped", "nesterov", max_norm=0.9, clip={"norm": 0.5})
    schedules = {
        "step": {"step": {"epochs": 3, "factor": 0.5}},
        "exponential": {"exponential": {"factor": 0.8}},
        "cosine": {"cosine": {"warmup": 0.0, "minimum": 0.001}},
        "cosine-warmup": {"cosine": {"warmup": 1.6, "minimum": 0.0}},
        "one-cycle": {"one_cycle": {"rise": 0.3, "initial_divisor": 25.0, "final_divisor": 1e4}},
        "plateau": {"plateau": {"factor": 0.5, "patience": 1, "threshold": 0.05, "cooldown": 1, "minimum": 0.001}},
    }
    for name, schedule in schedules.items():
        for optimizer in ["momentum", "adamw"]:
            yield run(f"schedule-{name}/{optimizer}", optimizer, replica={"schedule": schedule, "weight_decay": 0.01})


if __name__ == "__main__":
    data = golden.make_data(2, SAMPLES, INPUTS, OUTPUTS)
    golden.save("runs.json", data, runs(), lambda index, attempt: 1000 + index + 1000 * attempt)
