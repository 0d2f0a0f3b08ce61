#!/usr/bin/env python3
"""Writes runs.json: whole runs of wgrad's specs as PyTorch computes them, 50 steps each.

A run is wgrad's own serialized form of model and training spec, and this program is an interpreter of it in PyTorch: a
new piece is a function in one of the tables below (OPTIMIZERS, SCHEDULES, LOSSES, ACTIVATIONS), and a case in `cases()`.

How a run is trained
    Batches are consecutive rows in order, the last of an epoch short, then row 0 again. The loss of a step is the one
    before its update. A step is: forward, backward, clipping, L1 (l1 * sign(w) added to the gradient of what decays),
    the optimizer's step, max-norm. Everything is float64; float32 is run too, to know what rounding alone does.

Schema of runs.json
    torch     version that made the file
    features  (N, I) multiples of 1/256
    labels    (N) integers
    values    (N, O) multiples of 1/256
    runs      list of
      name        unique, its first word the piece that it is about
      model       as `Sequential` serializes: {inputs, layers: [{units, activation, init}]}
      spec        as `TrainSpec` serializes; one replica; `shuffle` false
      target      "classes" | "values"
      epochs      the length that schedules go by; steps are epochs * ceil(N / batch)
      initial     {tensor: flat numbers}, by the names that wgrad's plans give: layers.0.weight (O, I), layers.0.bias (O)
      losses      of each step, float64
      norms       of each step's gradients before clipping, where spec.clip is a norm
      final       as `initial`, after the last step, float64
      f32_error   largest difference of PyTorch's own float32 run, relative to the largest number of each tensor
"""

import json
import math
import pathlib
import random

import torch
from torch import nn

N, I, O, BATCH, EPOCHS = 37, 7, 4, 8, 10  # 5 steps an epoch, 50 in all
WIDTHS = [I, 6, O]

ACTIVATIONS = {"linear": lambda z: z, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "relu": torch.relu}
LOSSES = {
    "softmax_cross_entropy": lambda out, y: nn.functional.cross_entropy(out, y),
    "mean_squared_error": lambda out, y: nn.functional.mse_loss(out, y),
}


class Lion(torch.optim.Optimizer):
    """google/automl, lion/lion_pytorch.py (Apache-2.0): the step of the authors' own program."""

    def __init__(self, params, lr=1e-4, betas=(0.9, 0.99), weight_decay=0.0):
        super().__init__(params, dict(lr=lr, betas=betas, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    state["exp_avg"] = torch.zeros_like(p)
                m = state["exp_avg"]
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_((m * beta1 + p.grad * (1 - beta1)).sign(), alpha=-group["lr"])
                m.mul_(beta2).add_(p.grad, alpha=1 - beta2)


# By the tag of `spec.optimizer`: (parameter groups, its own numbers, the replica) -> torch optimizer.
OPTIMIZERS = {
    "gradient_descent": lambda p, o, r: torch.optim.SGD(p, lr=r["learning_rate"]),
    "sgd": lambda p, o, r: torch.optim.SGD(p, lr=r["learning_rate"], momentum=r["momentum"], nesterov=o["nesterov"]),
    "adagrad": lambda p, o, r: torch.optim.Adagrad(
        p, lr=r["learning_rate"], lr_decay=o["rate_decay"], initial_accumulator_value=o["initial"], eps=o["epsilon"]),
    "rmsprop": lambda p, o, r: torch.optim.RMSprop(
        p, lr=r["learning_rate"], alpha=o["alpha"], eps=o["epsilon"], centered=o["centered"], momentum=r["momentum"]),
    "adam": lambda p, o, r: torch.optim.Adam(
        p, lr=r["learning_rate"], betas=(r["momentum"], o["beta2"]), eps=o["epsilon"]),
    "adam_w": lambda p, o, r: torch.optim.AdamW(
        p, lr=r["learning_rate"], betas=(r["momentum"], o["beta2"]), eps=o["epsilon"]),
    "nadam": lambda p, o, r: torch.optim.NAdam(
        p, lr=r["learning_rate"], betas=(r["momentum"], o["beta2"]), eps=o["epsilon"],
        momentum_decay=o["momentum_decay"], decoupled_weight_decay=o["decoupled"]),
    "adadelta": lambda p, o, r: torch.optim.Adadelta(p, lr=r["learning_rate"], rho=o["rho"], eps=o["epsilon"]),
    "lion": lambda p, o, r: Lion(p, lr=r["learning_rate"], betas=(r["momentum"], o["beta2"])),
}

L = torch.optim.lr_scheduler


def cosine(optimizer, o, per_epoch, total):
    """LinearLR from 1 / (w + 1), then CosineAnnealingLR."""
    rise = round(o["warmup"] * per_epoch)
    fall = L.CosineAnnealingLR(optimizer, total - rise, eta_min=o["minimum"])
    if not rise:
        return fall
    # A scheduler sets the rate when it is made; SequentialLR starts the second from the base rate again.
    return L.SequentialLR(optimizer, [L.LinearLR(optimizer, 1 / (rise + 1), total_iters=rise), fall], [rise])


# By the tag of the replica's `schedule`: (when it steps, (optimizer, its own numbers, steps an epoch, steps) -> scheduler).
SCHEDULES = {
    "step": ("epoch", lambda opt, o, e, t: L.StepLR(opt, o["epochs"], gamma=o["factor"])),
    "exponential": ("epoch", lambda opt, o, e, t: L.ExponentialLR(opt, o["factor"])),
    "cosine": ("step", cosine),
    "one_cycle": ("step", lambda opt, o, e, t: L.OneCycleLR(
        opt, [g["lr"] for g in opt.param_groups], total_steps=t, pct_start=o["rise"], div_factor=o["initial_divisor"],
        final_div_factor=o["final_divisor"], cycle_momentum=False)),
    "plateau": ("loss", lambda opt, o, e, t: L.ReduceLROnPlateau(
        opt, factor=o["factor"], patience=o["patience"], threshold=o["threshold"], cooldown=o["cooldown"],
        min_lr=o["minimum"])),
}


def tag(value):
    """A serialized Rust enum: its variant, and what belongs to it."""
    return (value, {}) if isinstance(value, str) else next(iter(value.items()))


# ---- cases ----

def optimizer_specs():
    """Every preset of wgrad, by its name there: (optimizer, learning rate, momentum)."""
    rms = lambda centered, momentum: {"rmsprop": {"alpha": 0.99, "epsilon": 1e-8, "centered": centered, "momentum": momentum}}
    adam = {"beta2": 0.999, "epsilon": 1e-8}
    return {
        "gradient-descent": ({"gradient_descent": {}}, 0.1, 0.0),
        "sgd": ({"sgd": {"nesterov": False}}, 0.1, 0.0),
        "momentum": ({"sgd": {"nesterov": False}}, 0.1, 0.9),
        "nesterov": ({"sgd": {"nesterov": True}}, 0.1, 0.9),
        "adagrad": ({"adagrad": {"rate_decay": 0.0, "initial": 0.0, "epsilon": 1e-10}}, 0.01, 0.0),
        "rmsprop": (rms(False, False), 0.01, 0.0),
        "rmsprop-momentum": (rms(False, True), 0.01, 0.9),
        "rmsprop-centered": (rms(True, False), 0.01, 0.0),
        "rmsprop-centered-momentum": (rms(True, True), 0.01, 0.9),
        "adam": ({"adam": adam}, 0.001, 0.9),
        "adamw": ({"adam_w": adam}, 0.001, 0.9),
        "nadam": ({"nadam": adam | {"momentum_decay": 4e-3, "decoupled": False}}, 0.002, 0.9),
        "adadelta": ({"adadelta": {"rho": 0.9, "epsilon": 1e-6}}, 1.0, 0.0),
        "lion": ({"lion": {"beta2": 0.99}}, 1e-4, 0.9),
    }


def case(name, optimizer="sgd", loss="softmax_cross_entropy", hidden="tanh", replica=(), batch=BATCH, **spec):
    rule, rate, momentum = optimizer_specs()[optimizer] if isinstance(optimizer, str) else optimizer
    own = {"seed": 0, "learning_rate": rate, "weight_decay": 0.0, "momentum": momentum} | dict(replica)
    layers = [{"units": units, "activation": hidden, "init": "glorot_uniform"} for units in WIDTHS[1:-1]]
    layers.append({"units": WIDTHS[-1], "activation": "linear", "init": "glorot_uniform"})
    model = {"inputs": I, "layers": layers}
    spec = {"loss": loss, "optimizer": rule, "batch": batch, "replicas": [own], "shuffle": False, "pixel_scale": 1.0} | spec
    epochs = EPOCHS if batch < N else 50
    target = "classes" if loss == "softmax_cross_entropy" else "values"
    return {"name": name, "model": model, "spec": spec, "target": target, "epochs": epochs}


def cases():
    for name in optimizer_specs():
        batch = N if name == "gradient-descent" else BATCH
        yield case(f"{name}", name, batch=batch)
        yield case(f"{name}/decay", name, "mean_squared_error", replica={"weight_decay": 0.05}.items(), batch=batch)
        yield case(f"{name}/decay/weights-only", name, replica={"weight_decay": 0.5}.items(), batch=batch, decay_biases=False)
        # Rates at which the runs go somewhere.
        rate = {"lion": 0.01, "adam": 0.02, "adamw": 0.02, "nadam": 0.02, "adagrad": 0.1}.get(name)
        if rate:
            yield case(f"{name}/fast", name, replica={"learning_rate": rate}.items(), batch=batch)
    yield case("adagrad/options", ({"adagrad": {"rate_decay": 0.1, "initial": 0.1, "epsilon": 1e-6}}, 0.1, 0.0))
    yield case("nadam/decoupled", ({"nadam": {"beta2": 0.99, "epsilon": 1e-8, "momentum_decay": 0.1, "decoupled": True}}, 0.01, 0.8),
               replica={"weight_decay": 0.1}.items())
    for optimizer in ["sgd", "adam", "adamw"]:
        yield case(f"l1/{optimizer}", optimizer, replica={"l1": 0.01}.items())
        yield case(f"elastic-net/{optimizer}", optimizer, replica={"l1": 0.02, "weight_decay": 0.03}.items(), decay_biases=False)
    for optimizer in ["sgd", "adam", "adamw", "rmsprop-centered-momentum", "adadelta"]:
        yield case(f"clip-value/{optimizer}", optimizer, clip={"value": 0.02}, replica={"weight_decay": 0.02}.items())
        yield case(f"clip-norm/{optimizer}", optimizer, clip={"norm": 0.3}, replica={"weight_decay": 0.02, "l1": 0.01}.items())
    yield case("clip-norm/loose", "momentum", clip={"norm": 100.0}, decay_biases=False, replica={"weight_decay": 0.1}.items())
    for optimizer in ["sgd", "adam"]:
        yield case(f"max-norm/{optimizer}", optimizer, max_norm=0.7)
    yield case("max-norm/clipped", "nesterov", max_norm=0.9, clip={"norm": 0.5})
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
            yield case(f"schedule/{name}/{optimizer}", optimizer, replica={"schedule": schedule, "weight_decay": 0.01}.items())


# ---- interpreter ----

def grid(rng, low, high):
    """A random multiple of 1/256 in [low, high]. Only Random.random() promises equal numbers in every Python."""
    return round((low + (high - low) * rng.random()) * 256) / 256


def make_data():
    rng = random.Random(2)
    centers = [grid(rng, -0.4, 0.4) for _ in range(I)]
    features = [[grid(rng, c - 0.6, c + 0.6) for c in centers] for _ in range(N)]
    projection = [[grid(rng, -1, 1) for _ in range(I)] for _ in range(O)]
    values = [[round(sum(p * v for p, v in zip(ps, row)) * 256) / 256 for ps in projection] for row in features]
    means = [sum(column) / N for column in zip(*values)]
    labels = [max(range(O), key=lambda k: row[k] - means[k]) for row in values]
    assert set(labels) == set(range(O))
    return features, labels, values


def initial(run, rng):
    tensors, fan_in = {}, run["model"]["inputs"]
    for n, layer in enumerate(run["model"]["layers"]):
        bound = fan_in**-0.5
        tensors[f"layers.{n}.weight"] = [grid(rng, -bound, bound) for _ in range(layer["units"] * fan_in)]
        tensors[f"layers.{n}.bias"] = [grid(rng, -bound, bound) for _ in range(layer["units"])]
        fan_in = layer["units"]
    return tensors


def is_weight(name):
    return name.endswith(".weight")


def max_norm(tensor, limit):
    """Keras' MaxNorm, axis 0 of its kernel (I, O), which is ours (O, I) transposed."""
    norms = tensor.square().sum(1, keepdim=True).sqrt()
    tensor.mul_(norms.clamp(0, limit) / (1e-7 + norms))


def train(run, data, start, dtype):
    model, spec = run["model"], run["spec"]
    replica = spec["replicas"][0]
    x = torch.tensor(data[0], dtype=dtype)
    y = torch.tensor(data[1]) if run["target"] == "classes" else torch.tensor(data[2], dtype=dtype)
    fan_ins = [model["inputs"]] + [layer["units"] for layer in model["layers"]]
    params = {name: torch.tensor(values, dtype=dtype) for name, values in start.items()}
    for name in params:
        if is_weight(name):
            params[name] = params[name].reshape(-1, fan_ins[int(name.split(".")[1])])
        params[name].requires_grad_()
    decays = lambda name: is_weight(name) or spec.get("decay_biases", True)
    groups = [{"params": [p for n, p in params.items() if decays(n) == own],
               "weight_decay": replica["weight_decay"] if own else 0.0} for own in (True, False)]
    kind, own = tag(spec["optimizer"])
    optimizer = OPTIMIZERS[kind]([g for g in groups if g["params"]], own, replica)
    per_epoch = math.ceil(N / spec["batch"])
    total = run["epochs"] * per_epoch
    when, scheduler = None, None
    if "schedule" in replica:
        kind, own = tag(replica["schedule"])
        when, make = SCHEDULES[kind]
        scheduler = make(optimizer, own, per_epoch, total)
    losses, norms, row, epoch_sum = [], [], 0, 0.0
    for step in range(total):
        rows = slice(row, min(row + spec["batch"], N))
        a = x[rows]
        for n, layer in enumerate(model["layers"]):
            a = ACTIVATIONS[layer["activation"]](a @ params[f"layers.{n}.weight"].T + params[f"layers.{n}.bias"])
        loss = LOSSES[spec["loss"]](a, y[rows])
        optimizer.zero_grad()
        loss.backward()
        clip, limit = tag(spec["clip"]) if "clip" in spec else (None, None)
        if clip == "value":
            nn.utils.clip_grad_value_(params.values(), limit)
        elif clip == "norm":
            norms.append(nn.utils.clip_grad_norm_(params.values(), limit).item())
        with torch.no_grad():
            for name, p in params.items():
                if decays(name):
                    p.grad.add_(torch.sign(p), alpha=replica.get("l1", 0.0))
        optimizer.step()
        with torch.no_grad():
            for name, p in params.items():
                if is_weight(name) and "max_norm" in spec:
                    max_norm(p, spec["max_norm"])
        losses.append(loss.item())
        epoch_sum += loss.item() * (rows.stop - rows.start)
        row = rows.stop % N
        if when == "step" and step + 1 < total:
            scheduler.step()
        if row == 0:
            if when == "epoch":
                scheduler.step()
            elif when == "loss":
                scheduler.step(epoch_sum / N)
            epoch_sum = 0.0
    return losses, norms, {name: p.detach().flatten().tolist() for name, p in params.items()}


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    data = make_data()
    runs = []
    for index, run in enumerate(cases()):
        start = initial(run, random.Random(1000 + index))
        losses, norms, final = train(run, data, start, torch.float64)
        _, _, rounded = train(run, data, start, torch.float32)
        error = max(max(abs(a - b) for a, b in zip(final[n], rounded[n])) / max(map(abs, final[n])) for n in final)
        assert all(map(math.isfinite, losses))
        print(f"{run['name']:40} loss {losses[0]:.4f} -> {losses[-1]:.4f}  f32 error {error:.1e}")
        run |= {"initial": start, "losses": losses, "final": final, "f32_error": float(f"{error:.2g}")}
        runs.append(run | ({"norms": norms} if norms else {}))
    assert len({run["name"] for run in runs}) == len(runs), "names must be unique"
    features, labels, values = data
    path = pathlib.Path(__file__).with_name("runs.json")
    head = {"torch": torch.__version__.split("+")[0], "features": features, "labels": labels, "values": values}
    lines = ",\n".join(json.dumps(run, allow_nan=False) for run in runs)
    path.write_text(json.dumps(head)[:-1] + ', "runs": [\n' + lines + "\n]}\n")
    print(f"{path}: {len(runs)} runs, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
