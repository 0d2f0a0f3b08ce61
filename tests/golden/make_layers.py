#!/usr/bin/env python3
"""Writes layers.json: batch norm, layer norm, residuals and dropout, alone and together, 50 steps each.

Running statistics are among the tensors, and outputs are those of evaluation, which uses them and drops nothing. golden.py
describes the runs and the schema, and computes wgrad's own masks for dropout.
"""

import golden

SAMPLES, INPUTS, OUTPUTS, BATCH, EPOCHS = 37, 7, 4, 8, 10
WIDTH = 6
BATCH_NORM, LAYER_NORM = {"batch": {"momentum": 0.1, "epsilon": 1e-5}}, {"layer": {"epsilon": 1e-5}}
# A batch norm takes away what the bias before it adds, so that this bias' gradient is rounding and nothing else. Adam as it
# is preset would divide that by itself; with this epsilon it stays the nothing that it is.
ADAM = ({"adam": {"beta2": 0.999, "epsilon": 1e-2}}, 0.01, 0.9)
RATES = {"sgd": 0.1, "momentum": 0.02, "nesterov": 0.02}
# Where a row's six units come close together, a layer norm divides by little, and a difference of 1e-7 grows a thousandfold
# within fifty steps. Such starts are drawn again: they would say more of the network than of what computes it.
STEADY = 4e-6


def model(*hidden):
    """Hidden layers of one width, each (activation, what else it has)."""
    layers = [golden.layer(WIDTH, activation, **more) for activation, more in hidden]
    return {"inputs": INPUTS, "layers": layers + [golden.layer(OUTPUTS, "linear")]}


def run(name, layers, optimizer="momentum", loss="softmax_cross_entropy", **spec):
    target = "labels" if loss == "softmax_cross_entropy" else "values"
    replica = {"learning_rate": RATES[optimizer]} if optimizer in list(RATES) else {}
    replica |= spec.pop("replica", {})
    return golden.run(name, model(*layers), optimizer, loss, target, batch=BATCH, epochs=EPOCHS, replica=replica, **spec)


def runs():
    mse = "mean_squared_error"
    norms = {"batch-norm": BATCH_NORM, "layer-norm": LAYER_NORM}
    for name, norm in norms.items():
        options = {tag: own | {"epsilon": 0.01} for tag, own in norm.items()}
        if "batch" in options:
            options["batch"]["momentum"] = 0.3
        adam = ADAM if name == "batch-norm" else "adam"
        yield run(name, [("tanh", {"norm": norm})])
        yield run(f"{name}/twice", [("tanh", {"norm": norm}), ("sigmoid", {"norm": norm})], "nesterov", mse)
        yield run(f"{name}/relu", [("relu", {"norm": norm})], "sgd")
        yield run(f"{name}/gelu", [("gelu", {"norm": norm})])
        yield run(f"{name}/adam", [("tanh", {"norm": norm}), ("tanh", {})], adam)
        yield run(f"{name}/options", [("tanh", {"norm": options}), ("tanh", {"norm": norm})])
        yield run(f"{name}/decay", [("tanh", {"norm": norm})], replica={"weight_decay": 0.05})
        yield run(f"{name}/decay/weights-only", [("tanh", {"norm": norm})], replica={"weight_decay": 0.2}, decay_biases=False)
        yield run(f"{name}/clip-norm", [("tanh", {"norm": norm})], clip={"norm": 0.2})
    yield run("residual", [("tanh", {}), ("tanh", {"residual": 1})])
    yield run("residual/two-back", [("tanh", {}), ("sigmoid", {}), ("tanh", {"residual": 2})], "nesterov", mse)
    yield run("residual/in-a-row", [("tanh", {}), ("tanh", {"residual": 1}), ("tanh", {"residual": 1})], "adam")
    yield run("residual/from-one", [("tanh", {}), ("sigmoid", {"residual": 1}), ("tanh", {"residual": 2})])
    yield run("residual/relu", [("tanh", {}), ("relu", {"residual": 1})], "sgd")
    yield run("dropout", [("tanh", {"dropout": 0.2})])
    yield run("dropout/relu", [("relu", {"dropout": 0.5})], "sgd")
    yield run("dropout/twice", [("tanh", {"dropout": 0.1}), ("sigmoid", {"dropout": 0.4})], "adam", mse)
    # Both words of the seed, and a rate of the replica's own.
    yield run("dropout/seed", [("tanh", {"dropout": 0.3})], replica={"seed": 0x1234_5678_9ABC})
    yield run("dropout/own", [("tanh", {"dropout": 0.3}), ("tanh", {}), ("tanh", {"dropout": 0.1})], "nesterov",
              replica={"dropout": 0.6, "seed": 7})
    for name, norm in norms.items():
        adam = ADAM if name == "batch-norm" else "adam"
        together = {"norm": norm, "residual": 1, "dropout": 0.2}
        yield run(f"together/{name}", [("tanh", {"norm": norm}), ("tanh", together), ("tanh", together)], replica={"seed": 3})
        yield run(f"together/{name}/adam", [("tanh", {}), ("silu", together), ("relu", {"residual": 2, "dropout": 0.3})], adam,
                  mse, replica={"seed": 4, "weight_decay": 0.01})


if __name__ == "__main__":
    data = golden.make_data(2, SAMPLES, INPUTS, OUTPUTS)
    golden.save("layers.json", data, runs(), lambda index, attempt: 30_000 + index + 1000 * attempt, STEADY)
