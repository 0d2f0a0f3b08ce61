#!/usr/bin/env python3
"""Writes training.json: small MLPs trained by PyTorch, the golden values of wgrad's training tests.

How every case is trained
    Batches are consecutive rows in order, without shuffling: rows 0..8, 8..16, 16..24, 24..32, then the short batch
    32..37, then row 0 again. One step is forward, backward, optimizer. The loss of a step is the one before its update.
    Every loss is PyTorch's mean over the rows of its own (possibly short) batch:
      softmax_cross_entropy  CrossEntropyLoss on the outputs, integer labels; mean over the batch's rows
      binary_cross_entropy   BCEWithLogitsLoss on the outputs; mean over rows times outputs
      mean_squared_error     MSELoss on the outputs; mean over rows times outputs (no factor 1/2)
    "Outputs" are what the last layer gives after `output_activation`.
    A case runs twice from the same initial weights, in float32 and in float64. Both losses are stored; weights are the
    float64 run's. Hyper-parameters are Python floats (float64) in both runs.
    Where the derivative has a kink (relu, leaky_relu), a case whose pre-activations come closer than KINK_MARGIN to it
    in any step is drawn again, so that rounding alone cannot take another branch.

Schema of training.json
    torch               version that made the file
    batch_size          8
    leaky_relu_slope    slope of leaky_relu for negative inputs
    features            (N, I) multiples of 1/256 in [-1, 1], so exact in float32 and as decimal text
    labels              (N) integers in 0..5
    values              (N, 5) multiples of 1/256
    cases               list of
      name              unique, words joined by "/"
      loss              softmax_cross_entropy | binary_cross_entropy | mean_squared_error
      target            "classes": `labels` (one-hot rows, where the loss takes real values) | "values": `values`
      hidden_activation, output_activation   linear | relu | leaky_relu | sigmoid | tanh | softmax (output only)
      widths            [I, hidden..., O]
      optimizer         {name: "sgd", learning_rate, momentum, nesterov, weight_decay, decay_biases} |
                        {name: "adam", learning_rate, beta1, beta2, epsilon, weight_decay, decay_biases}
                        weight_decay is coupled: weight_decay * w is added to the gradient (torch SGD and Adam, not
                        AdamW). decay_biases false leaves it off the biases, as with two parameter groups in PyTorch.
      initial           per layer {weight: (O, I) as nn.Linear has it, bias: (O)}, multiples of 1/256
      losses_f32        (20) loss of each step, float32 run
      losses_f64        (20) loss of each step, float64 run
      final             as `initial`: weights after the 20 steps, float64 run
      final_f32_error   largest |float32 weight - float64 weight| after the 20 steps: what rounding did to PyTorch

Usage: make_training.py [output path]; see README.md beside this file.
"""

import json
import pathlib
import random
import sys

import torch
from torch import nn

N, I, O, BATCH, STEPS = 37, 11, 5, 8, 20
LEAKY_SLOPE = 0.01
KINK_MARGIN = 2e-5  # float32 moves a pre-activation by about 1e-6 in 20 steps (final_f32_error times I)

ACTIVATIONS = {
    "linear": lambda z: z,
    "relu": torch.relu,
    "leaky_relu": lambda z: nn.functional.leaky_relu(z, LEAKY_SLOPE),
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "softmax": lambda z: torch.softmax(z, dim=1),
}
LOSSES = {
    "softmax_cross_entropy": nn.CrossEntropyLoss(),
    "binary_cross_entropy": nn.BCEWithLogitsLoss(),
    "mean_squared_error": nn.MSELoss(),
}


def sgd(momentum=0.0, nesterov=False, weight_decay=0.0, decay_biases=True):
    return {"name": "sgd", "learning_rate": 0.1, "momentum": momentum, "nesterov": nesterov,
            "weight_decay": weight_decay, "decay_biases": decay_biases}


def adam(weight_decay=0.0, decay_biases=True):
    return {"name": "adam", "learning_rate": 0.01, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8,
            "weight_decay": weight_decay, "decay_biases": decay_biases}


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


def case(loss, optimizer, target="classes", hidden="relu", output="linear", widths=(I, 7, O)):
    short = {"softmax_cross_entropy": "ce", "binary_cross_entropy": "bce", "mean_squared_error": "mse"}[loss]
    name = "/".join([short, target, hidden, output, "-".join(map(str, widths)), optimizer])
    return {"name": name, "loss": loss, "target": target, "hidden_activation": hidden, "output_activation": output,
            "widths": list(widths), "optimizer": OPTIMIZERS[optimizer]}


def all_cases():
    ce, bce, mse = LOSSES
    for loss, target in [(ce, "classes"), (bce, "classes"), (mse, "values"), (mse, "classes")]:
        for optimizer in ["sgd", "momentum", "nesterov", "momentum+decay", "adam", "adam+decay"]:
            yield case(loss, optimizer, target)
    for optimizer in ["momentum+decay-weights-only", "adam+decay-weights-only"]:
        yield case(ce, optimizer)
    for hidden in ["linear", "sigmoid", "tanh", "leaky_relu"]:
        yield case(ce, "adam", hidden=hidden)
        yield case(mse, "sgd", "values", hidden=hidden)
    for output in ["sigmoid", "tanh", "relu", "softmax"]:
        yield case(mse, "momentum", "values", output=output)
    yield case(ce, "adam", widths=(I, 9, 7, O))
    yield case(mse, "nesterov", "values", hidden="tanh", widths=(I, 9, 7, O))


def grid(rng, low, high):
    """A random multiple of 1/256 in [low, high]. Only Random.random() promises equal numbers in every Python."""
    return round((low + (high - low) * rng.random()) * 256) / 256


def make_data():
    """Features with a mean of their own per column, and targets that depend on them, so that losses can fall."""
    rng = random.Random(1)
    centers = [grid(rng, -0.4, 0.4) for _ in range(I)]
    features = [[grid(rng, c - 0.6, c + 0.6) for c in centers] for _ in range(N)]
    projection = [[grid(rng, -1, 1) for _ in range(I)] for _ in range(O)]
    values = [[round(sum(p * v for p, v in zip(ps, row)) * 256) / 256 for ps in projection] for row in features]
    # A class is the value that most exceeds its column's mean.
    means = [sum(column) / N for column in zip(*values)]
    labels = [max(range(O), key=lambda k: row[k] - means[k]) for row in values]
    assert set(labels) == set(range(O))
    return features, labels, values


def initial_weights(rng, widths):
    """Uniform in +-1/sqrt(fan-in), PyTorch's default for nn.Linear, rounded to the grid; biases are not zero."""
    layers = []
    for fan_in, units in zip(widths, widths[1:]):
        bound = fan_in**-0.5
        weight = [[grid(rng, -bound, bound) for _ in range(fan_in)] for _ in range(units)]
        layers.append({"weight": weight, "bias": [grid(rng, -bound, bound) for _ in range(units)]})
    return layers


def make_optimizer(layers, o):
    biases_decay = o["weight_decay"] if o["decay_biases"] else 0.0
    groups = [{"params": [layer.weight for layer in layers], "weight_decay": o["weight_decay"]},
              {"params": [layer.bias for layer in layers], "weight_decay": biases_decay}]
    if o["name"] == "sgd":
        return torch.optim.SGD(groups, lr=o["learning_rate"], momentum=o["momentum"], nesterov=o["nesterov"])
    return torch.optim.Adam(groups, lr=o["learning_rate"], betas=(o["beta1"], o["beta2"]), eps=o["epsilon"])


def make_targets(case, data, dtype):
    _, labels, values = data
    if case["target"] == "values":
        return torch.tensor(values, dtype=dtype)
    classes = torch.tensor(labels)
    if case["loss"] == "softmax_cross_entropy":
        return classes
    return nn.functional.one_hot(classes, O).to(dtype)


def forward(case, layers, x):
    """Outputs, and how close any pre-activation of this batch comes to a kink."""
    names = [case["hidden_activation"]] * (len(layers) - 1) + [case["output_activation"]]
    nearest_kink = float("inf")
    for layer, name in zip(layers, names):
        z = layer(x)
        if name in ("relu", "leaky_relu"):
            nearest_kink = min(nearest_kink, z.detach().abs().min().item())
        x = ACTIVATIONS[name](z)
    return x, nearest_kink


def train(case, data, initial, dtype):
    """Losses (STEPS), layers after the last step, and the distance to the nearest kink over all steps."""
    x, targets = torch.tensor(data[0], dtype=dtype), make_targets(case, data, dtype)
    layers = [nn.Linear(len(l["weight"][0]), len(l["bias"]), dtype=dtype) for l in initial]
    with torch.no_grad():
        for layer, start in zip(layers, initial):
            layer.weight.copy_(torch.tensor(start["weight"], dtype=dtype))
            layer.bias.copy_(torch.tensor(start["bias"], dtype=dtype))
    optimizer = make_optimizer(layers, case["optimizer"])
    losses, nearest_kink, row = [], float("inf"), 0
    for _ in range(STEPS):
        rows = slice(row, min(row + BATCH, N))
        outputs, kink = forward(case, layers, x[rows])
        nearest_kink = min(nearest_kink, kink)
        loss = LOSSES[case["loss"]](outputs, targets[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        row = rows.stop % N
    return losses, [{"weight": l.weight.tolist(), "bias": l.bias.tolist()} for l in layers], nearest_kink


def flat(layers):
    return [v for l in layers for row in [*l["weight"], l["bias"]] for v in row]


def run(index, case, data):
    for attempt in range(100):
        rng = random.Random(1000 * (index + 1) + attempt)
        initial = initial_weights(rng, case["widths"])
        losses_f64, final, nearest_kink = train(case, data, initial, torch.float64)
        if nearest_kink >= KINK_MARGIN:
            break
    else:
        raise SystemExit(f"{case['name']}: every start comes closer than {KINK_MARGIN} to a kink")
    losses_f32, final_f32, _ = train(case, data, initial, torch.float32)
    error = max(abs(a - b) for a, b in zip(flat(final_f32), flat(final)))
    epochs = " ".join(f"{sum(losses_f64[e:e + 5]) / 5:.4f}" for e in range(0, STEPS, 5))
    print(f"{case['name']:58} epochs {epochs}  f32 error {error:.1e}  attempt {attempt}")
    # The shortest decimal that reads back as the same float32 needs at most 9 digits.
    return case | {"initial": initial, "losses_f32": [float(f"{v:.9g}") for v in losses_f32],
                   "losses_f64": losses_f64, "final": final, "final_f32_error": float(f"{error:.2g}")}


def text(value, indent=0):
    """JSON with one line for a list of numbers or a flat object, and one more level of indentation otherwise."""
    children = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(value, (dict, list)) or not any(isinstance(c, (dict, list)) for c in children):
        return json.dumps(value, allow_nan=False)
    keys = [f"{json.dumps(k)}: " for k in value] if isinstance(value, dict) else [""] * len(value)
    pad = "\n" + " " * (indent + 1)
    body = ("," + pad).join(k + text(c, indent + 1) for k, c in zip(keys, children))
    left, right = "{}" if isinstance(value, dict) else "[]"
    return left + pad + body + "\n" + " " * indent + right


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    default = pathlib.Path(__file__).with_name("training.json")
    path = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    data = make_data()
    features, labels, values = data
    cases = [run(index, case, data) for index, case in enumerate(all_cases())]
    assert len({c["name"] for c in cases}) == len(cases), "names must be unique"
    # Without the "+cu132" of a build, which has no say in CPU results.
    golden = {"torch": torch.__version__.split("+")[0], "batch_size": BATCH, "leaky_relu_slope": LEAKY_SLOPE,
              "features": features, "labels": labels, "values": values, "cases": cases}
    path.write_text(text(golden) + "\n")
    print(f"{path}: {len(cases)} cases, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
