"""What the programs here share: data, starts, and an interpreter in PyTorch of wgrad's own serialized specs.

A run is a model and a training spec as wgrad serializes them. `save` trains each in PyTorch and writes all that wgrad's
reader (src/train/golden.rs) compares. A new piece of wgrad is a function in one of the tables below, or a line in `Network`
or `train`; a new run is a `run(...)` that one of the programs yields.

How a run is trained
    Batches are consecutive rows in order, the last of an epoch short, then row 0 again. The loss of a step is the one
    before its update. A step is: forward, backward, clipping, L1 (l1 * sign(w) added to the gradient of what decays),
    the optimizer's step, max-norm. PyTorch's numbers are those of float64.
    Where a derivative jumps, a start that comes closer to the jump than rounding may carry it is drawn again, so that
    rounding alone cannot take another branch.
    Dropout's masks are wgrad's own, computed here a second time from the published generator: PyTorch draws from another.

Schema of the files
    torch     version that made the file
    features  (N, I) multiples of 1/256
    targets   {name: (N) classes, or (N, O) values}
    weights   (N) what samples count, in the runs that are `weighted`
    runs      list of
      name        unique, its first word the piece that it is about
      model       as `Sequential` serializes
      spec        as `TrainSpec` serializes; one replica; `shuffle` false
      target      which of the targets
      weighted    whether samples count by their weights
      epochs      the length that schedules go by; steps are epochs * ceil(N / batch)
      initial     {tensor: flat numbers}, by the names that wgrad's plans give
      losses      of each step, float64
      norms       of each step's gradients before clipping, where spec.clip is a norm
      final       as `initial`, after the last step, float64
      outputs     (N, O) of the last layer for all features in evaluation, after the last step, float64; before a softmax,
                  where it ends in one, as `Trainer::outputs` gives them
      f32_error   how far PyTorch's own float32 may end from its float64: the largest difference, relative to the largest
                  number of each tensor or series, over ORDERS runs whose sums are in other orders
"""

import json
import math
import pathlib
import random

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

FOLDER = pathlib.Path(__file__).parent
# Runs in float32: the first as it stands, the others with inputs, hidden units and rows in other places, which changes
# nothing but the order in which numbers are added.
ORDERS = 8

# ---- the tables ----

# By name: function, and where its derivative jumps.
ACTIVATIONS = {
    "linear": (lambda z: z, []),
    "relu": (torch.relu, [0]),
    "leaky_relu": (F.leaky_relu, [0]),
    "elu": (F.elu, [0]),
    "selu": (F.selu, [0]),
    "gelu": (F.gelu, []),
    "gelu_tanh": (lambda z: F.gelu(z, approximate="tanh"), []),
    "silu": (F.silu, []),
    "softplus": (F.softplus, []),
    "sigmoid": (torch.sigmoid, []),
    "hard_sigmoid": (F.hardsigmoid, [-3, 3]),
    "tanh": (torch.tanh, []),
    "softmax": (lambda z: torch.softmax(z, dim=1), []),
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

# How near a number may come to where a derivative jumps: float32 carries a sum about 1e-6 away in fifty steps, and a
# weight about 1e-7.
SUM_MARGIN, WEIGHT_MARGIN = 2e-5, 1e-6


class Jumps:
    """How near a run came to a jump, in margins."""

    def __init__(self):
        self.nearest = math.inf

    def note(self, distances, margin):
        distances = distances.detach().abs()
        if distances.numel():
            self.nearest = min(self.nearest, distances.min().item() / margin)


# ---- specs ----

def tag(value):
    """A serialized Rust enum: its variant, and what belongs to it."""
    return (value, {}) if isinstance(value, str) else next(iter(value.items()))


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


def layer(units, activation, **more):
    """A layer as `DenseSpec` serializes."""
    return {"units": units, "activation": activation, "init": "glorot_uniform"} | more


def plain(widths, hidden, output="linear"):
    """A model of one hidden activation."""
    inputs, *hiddens, outputs = widths
    return {"inputs": inputs, "layers": [layer(units, hidden) for units in hiddens] + [layer(outputs, output)]}


def run(name, model, optimizer, loss="softmax_cross_entropy", target="labels", *, batch, epochs, replica=None,
        weighted=False, **spec):
    """A run; the optimizer is a preset's name, or one with its learning rate and momentum."""
    rule, rate, momentum = optimizer_specs()[optimizer] if isinstance(optimizer, str) else optimizer
    own = {"seed": 0, "learning_rate": rate, "weight_decay": 0.0, "momentum": momentum} | (replica or {})
    spec = {"loss": loss, "optimizer": rule, "batch": batch, "replicas": [own], "shuffle": False, "pixel_scale": 1.0} | spec
    return {"name": name, "model": model, "spec": spec, "target": target, "weighted": weighted, "epochs": epochs}


# ---- data ----

def grid(rng, low, high):
    """A random multiple of 1/256 in [low, high]. Only Random.random() promises equal numbers in every Python."""
    return round((low + (high - low) * rng.random()) * 256) / 256


def make_data(seed, samples, inputs, outputs):
    """Features with a mean of their own per column, and targets that depend on them, so that losses can fall."""
    rng = random.Random(seed)
    centers = [grid(rng, -0.4, 0.4) for _ in range(inputs)]
    features = [[grid(rng, c - 0.6, c + 0.6) for c in centers] for _ in range(samples)]
    projection = [[grid(rng, -1, 1) for _ in range(inputs)] for _ in range(outputs)]
    values = [[round(sum(p * v for p, v in zip(ps, row)) * 256) / 256 for ps in projection] for row in features]
    # A class is the value that most exceeds its column's mean.
    means = [sum(column) / samples for column in zip(*values)]
    labels = [max(range(outputs), key=lambda k: row[k] - means[k]) for row in values]
    assert set(labels) == set(range(outputs))
    return {"features": features, "targets": {"labels": labels, "values": values}}


def initial(model, rng):
    """Uniform in +-1/sqrt(fan-in), PyTorch's default for nn.Linear, rounded to the grid; biases are not zero. Scales of
    norms are around 1; running statistics start at 0 and 1."""
    tensors, fan_in = {}, model["inputs"]
    for n, layer in enumerate(model["layers"]):
        units, bound = layer["units"], fan_in**-0.5
        tensors[f"layers.{n}.weight"] = [grid(rng, -bound, bound) for _ in range(units * fan_in)]
        tensors[f"layers.{n}.bias"] = [grid(rng, -bound, bound) for _ in range(units)]
        if "norm" in layer:
            scales = [grid(rng, 0.5, 1.5) for _ in range(units)]
            tensors[f"layers.{n}.norm.scales"] = scales + [grid(rng, -0.5, 0.5) for _ in range(units)]
            if tag(layer["norm"])[0] == "batch":
                tensors[f"layers.{n}.norm.running"] = [0.0] * units + [1.0] * units
        fan_in = units
    return tensors


# ---- wgrad's random numbers ----

WORD = np.uint64(0xFFFFFFFF)
DROPOUT = 3  # `Purpose::Dropout` of src/random.rs


def philox(counter, key):
    """Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): four words from four words and
    two, each an array of numbers below 2^32."""
    c0, c1, c2, c3 = (np.asarray(word, dtype=np.uint64) for word in counter)
    k0, k1 = (np.uint64(word) for word in key)
    for _ in range(10):
        first, second = c0 * np.uint64(0xD2511F53), c2 * np.uint64(0xCD9E8D57)
        c0, c1, c2, c3 = second >> np.uint64(32) ^ c1 ^ k0, second & WORD, first >> np.uint64(32) ^ c3 ^ k1, first & WORD
        k0, k1 = (k0 + np.uint64(0x9E3779B9)) & WORD, (k1 + np.uint64(0xBB67AE85)) & WORD
    return c0, c1, c2, c3


def dropout_kept(seed, number, index, rows, units, rate):
    """Which outputs of layer `index` wgrad's dropout keeps in step `number`, counted from 1, (rows, units), and by what they
    are multiplied. A block of words is for one unit of four rows."""
    quads = (rows + 3) // 4
    words = philox((np.arange(quads * units), number, index, DROPOUT), (seed & 0xFFFFFFFF, seed >> 32))
    draws = np.stack(words).reshape(4, quads, units).transpose(1, 0, 2).reshape(4 * quads, units)[:rows]
    rate = float(np.float32(rate))
    return (draws >> np.uint64(8)) * 2.0**-24 >= rate, 1 / (1 - rate)


# ---- losses ----

def row_losses(spec, target, z, y, jumps):
    """(rows) losses, and (rows) what the rows' classes count in the mean."""
    name, options = spec["loss"], spec.get("loss_options", {})
    class_weights = options.get("class_weights")
    if class_weights is not None:
        class_weights = torch.tensor(class_weights, dtype=z.dtype)
    ones, classes = torch.ones(len(z), dtype=z.dtype), not y.is_floating_point()
    own = class_weights[y] if class_weights is not None and classes else ones
    if name == "softmax_cross_entropy":
        smoothing = options.get("label_smoothing", 0.0)
        # The classes' weights are in the losses already.
        return nn.CrossEntropyLoss(weight=class_weights, label_smoothing=smoothing, reduction="none")(z, y), own
    if name == "hinge" and classes and z.shape[1] > 1:
        margins = 1 + z - z.gather(1, y[:, None])
        jumps.note(margins[F.one_hot(y, z.shape[1]) == 0], SUM_MARGIN)
        return nn.MultiMarginLoss(reduction="none")(z, y) * own, own
    # Classes as numbers: one-hot, or the class itself of a single output.
    t = y if not classes else y[:, None] if z.shape[1] == 1 else F.one_hot(y, z.shape[1])
    t = t.to(z.dtype)
    if name == "hinge":
        margins = 1 - (2 * t - 1) * z
        jumps.note(margins, SUM_MARGIN)
        return margins.clamp(min=0).mean(1) * own, own
    if name == "kullback_leibler":
        return nn.KLDivLoss(reduction="none")(F.log_softmax(z, 1), t).sum(1) * own, own
    criterion = {
        "binary_cross_entropy": nn.BCEWithLogitsLoss(reduction="none"),
        "mean_squared_error": nn.MSELoss(reduction="none"),
        "mean_absolute_error": nn.L1Loss(reduction="none"),
        "huber": nn.HuberLoss(reduction="none", delta=options.get("huber_delta", 1.0)),
    }[name]
    if name == "mean_absolute_error":
        jumps.note(z - t, SUM_MARGIN)
    return criterion(z, t).mean(1) * own, own


def whole(spec, z, y):
    """PyTorch's own mean, where it has one for unweighted samples."""
    name, options = spec["loss"], spec.get("loss_options", {})
    class_weights, classes = options.get("class_weights"), not y.is_floating_point()
    if name == "softmax_cross_entropy":
        weight = None if class_weights is None else torch.tensor(class_weights, dtype=z.dtype)
        return nn.CrossEntropyLoss(weight=weight, label_smoothing=options.get("label_smoothing", 0.0))(z, y)
    if class_weights is not None:
        return None
    if name == "hinge":
        return nn.MultiMarginLoss()(z, y) if classes and z.shape[1] > 1 else None
    if name == "kullback_leibler":
        return None if classes else nn.KLDivLoss(reduction="batchmean")(F.log_softmax(z, 1), y)
    t = y if not classes else y[:, None] if z.shape[1] == 1 else F.one_hot(y, z.shape[1])
    criteria = {"binary_cross_entropy": nn.BCEWithLogitsLoss(), "mean_squared_error": nn.MSELoss(),
                "mean_absolute_error": nn.L1Loss(), "huber": nn.HuberLoss(delta=options.get("huber_delta", 1.0))}
    return criteria[name](z, t.to(z.dtype))


def mean_loss(run, z, y, weights, jumps):
    """sum(w * loss) / sum(w), w being the sample's weight times that of its class; with probabilities class weights are
    factors of the terms within a row, as in PyTorch."""
    spec = run["spec"]
    each, own = row_losses(spec, run["target"], z, y, jumps)
    if run["weighted"]:
        return (weights * each).sum() / (weights * own).sum()
    loss, reference = each.sum() / own.sum(), whole(spec, z, y)
    if reference is None:
        return loss
    assert abs(loss - reference).item() < (1e-12 if z.dtype == torch.float64 else 1e-5), run["name"]
    return reference


# ---- the interpreter ----

def identity(count):
    return torch.arange(count)


class Network:
    """A model's parameters and statistics in PyTorch, its inputs and hidden units in the places that `rng` draws."""

    def __init__(self, model, start, dtype, rng=None):
        self.layers, self.params, self.running = model["layers"], {}, {}
        draw = lambda count: torch.tensor(rng.sample(range(count), count)) if rng else identity(count)
        self.inputs = draw(model["inputs"])
        # Layers of equal width have equal places, for residuals.
        widths = {layer["units"]: draw(layer["units"]) for layer in self.layers[:-1]}
        self.places = [widths[layer["units"]] for layer in self.layers[:-1]] + [identity(self.layers[-1]["units"])]
        for name, numbers in start.items():
            n, what = int(name.split(".")[1]), name.split(".", 2)[2]
            own, columns = self.places[n], self.inputs if n == 0 else self.places[n - 1]
            values = torch.tensor(numbers, dtype=dtype)
            if what == "weight":
                self.params[name] = values.reshape(len(own), len(columns))[own][:, columns]
            elif what == "norm.scales":
                for part, half in zip(["scale", "shift"], values.reshape(2, -1)[:, own]):
                    self.params[f"layers.{n}.norm.{part}"] = half.clone()
            elif what == "norm.running":
                self.running[n] = list(values.reshape(2, -1)[:, own].clone())
            else:
                self.params[name] = values[own]
        for p in self.params.values():
            p.requires_grad_()

    def forward(self, x, training=None, jumps=None):
        """Outputs for rows; in training (replica, step number, places of the rows), with batch statistics and dropout."""
        outputs = [x[:, self.inputs]]
        for n, layer in enumerate(self.layers):
            z = outputs[-1] @ self.params[f"layers.{n}.weight"].T + self.params[f"layers.{n}.bias"]
            if "norm" in layer:
                kind, own = tag(layer["norm"])
                scale, shift = (self.params[f"layers.{n}.norm.{part}"] for part in ["scale", "shift"])
                if kind == "batch":
                    mean, variance = self.running[n]
                    z = F.batch_norm(z, mean, variance, scale, shift, training is not None, own["momentum"], own["epsilon"])
                else:
                    z = F.layer_norm(z, z.shape[1:], scale, shift, own["epsilon"])
            function, kinks = ACTIVATIONS[layer["activation"]]
            if jumps:
                for kink in kinks:
                    jumps.note(z - kink, SUM_MARGIN)
            y = z if layer["activation"] == "softmax" and not training else function(z)
            if "residual" in layer:
                # outputs[m + 1] is that of layer m.
                y = y + outputs[n + 1 - layer["residual"]]
            if training and layer.get("dropout"):
                replica, number, rows = training
                rate = replica.get("dropout", layer["dropout"])
                kept, factor = dropout_kept(replica["seed"], number, n, len(rows), layer["units"], rate)
                y = y * (torch.tensor(kept)[rows][:, self.places[n]].to(y.dtype) * factor)
            outputs.append(y)
        return outputs[-1]

    def tensors(self):
        """All numbers as wgrad has them."""
        tensors = {}
        for n, own in enumerate(self.places):
            own = torch.argsort(own)
            columns = torch.argsort(self.inputs if n == 0 else self.places[n - 1])
            flat = lambda parts: torch.cat([part.detach()[own] for part in parts]).tolist()
            tensors[f"layers.{n}.weight"] = self.params[f"layers.{n}.weight"].detach()[own][:, columns].flatten().tolist()
            tensors[f"layers.{n}.bias"] = flat([self.params[f"layers.{n}.bias"]])
            if "norm" in self.layers[n]:
                tensors[f"layers.{n}.norm.scales"] = flat([self.params[f"layers.{n}.norm.{p}"] for p in ["scale", "shift"]])
            if n in self.running:
                tensors[f"layers.{n}.norm.running"] = flat(self.running[n])
        return tensors


def is_weight(name):
    return name.endswith(".weight")


def max_norm(tensor, limit):
    """Keras' MaxNorm, axis 0 of its kernel (I, O), which is ours (O, I) transposed."""
    norms = tensor.square().sum(1, keepdim=True).sqrt()
    tensor.mul_(norms.clamp(0, limit) / (1e-7 + norms))


def make_optimizer(spec, params, decays):
    replica = spec["replicas"][0]
    groups = [{"params": [p for name, p in params.items() if decays(name) == own],
               "weight_decay": replica["weight_decay"] if own else 0.0} for own in (True, False)]
    kind, own = tag(spec["optimizer"])
    return OPTIMIZERS[kind]([group for group in groups if group["params"]], own, replica)


def update(spec, network, optimizer, decays, jumps):
    """From gradients to parameters; gives the gradients' norm where they are clipped by it."""
    params, l1, norm = network.params, spec["replicas"][0].get("l1", 0.0), None
    clip, limit = tag(spec["clip"]) if "clip" in spec else (None, None)
    if clip == "value":
        nn.utils.clip_grad_value_(params.values(), limit)
    elif clip == "norm":
        norm = nn.utils.clip_grad_norm_(params.values(), limit).item()
    with torch.no_grad():
        for name, p in params.items():
            if decays(name) and l1:
                # One that starts at zero is exactly that on every device.
                jumps.note(p[p != 0], WEIGHT_MARGIN)
                p.grad.add_(torch.sign(p), alpha=l1)
    optimizer.step()
    with torch.no_grad():
        for name, p in params.items():
            if is_weight(name) and "max_norm" in spec:
                max_norm(p, spec["max_norm"])
    return norm


def train(run, data, start, dtype, rng=None):
    """Trains a run; gives {series or tensor: numbers}, and how near it came to a jump. `rng` draws other places."""
    spec = run["spec"]
    replica, jumps = spec["replicas"][0], Jumps()
    x, y = torch.tensor(data["features"], dtype=dtype), torch.tensor(data["targets"][run["target"]])
    y = y.to(dtype) if y.is_floating_point() else y
    weights = torch.tensor(data.get("weights", []), dtype=dtype)
    network = Network(run["model"], start, dtype, rng)
    decays = lambda name: is_weight(name) or spec.get("decay_biases", True)
    optimizer = make_optimizer(spec, network.params, decays)
    samples, per_epoch = len(x), math.ceil(len(x) / spec["batch"])
    total = run["epochs"] * per_epoch
    when, scheduler = None, None
    if "schedule" in replica:
        kind, own = tag(replica["schedule"])
        when, make = SCHEDULES[kind]
        scheduler = make(optimizer, own, per_epoch, total)
    losses, norms, first, epoch_sum = [], [], 0, 0.0
    for step in range(total):
        count = min(spec["batch"], samples - first)
        rows = torch.tensor(rng.sample(range(count), count)) if rng else identity(count)
        z = network.forward(x[first + rows], (replica, step + 1, rows), jumps)
        loss = mean_loss(run, z, y[first + rows], weights[first + rows] if run["weighted"] else None, jumps)
        optimizer.zero_grad()
        loss.backward()
        norm = update(spec, network, optimizer, decays, jumps)
        norms.extend([] if norm is None else [norm])
        losses.append(loss.item())
        epoch_sum += loss.item() * count
        first = (first + count) % samples
        if when == "step" and step + 1 < total:
            scheduler.step()
        if first == 0:
            if when == "epoch":
                scheduler.step()
            elif when == "loss":
                scheduler.step(epoch_sum / samples)
            epoch_sum = 0.0
    outputs = network.forward(x).detach().flatten().tolist()
    series = {"losses": losses, "outputs": outputs} | ({"norms": norms} if norms else {})
    return series, network.tensors(), jumps.nearest


def difference(had, wanted):
    """The largest, relative to the largest number."""
    return max(abs(a - b) for a, b in zip(had, wanted)) / max(map(abs, wanted))


def f32_error(run, data, start, series, final):
    """How far PyTorch's float32 ends from its float64, over several orders of addition."""
    error = 0.0
    for order in range(ORDERS):
        had, tensors, _ = train(run, data, start, torch.float32, random.Random(order) if order else None)
        pairs = [(had[name], wanted) for name, wanted in series.items()]
        pairs += [(tensors[name], wanted) for name, wanted in final.items()]
        error = max(error, *(difference(*pair) for pair in pairs))
    return error


def complete(run, data, seed, steady):
    """Draws a start that stays away from jumps, and along which rounding does not grow beyond `steady`, and trains; `seed`
    is a function of the attempt."""
    for attempt in range(2000):
        start = initial(run["model"], random.Random(seed(attempt)))
        series, final, nearest = train(run, data, start, torch.float64)
        if nearest >= 1 and (error := f32_error(run, data, start, series, final)) <= steady:
            break
    else:
        raise SystemExit(f"{run['name']}: every start comes too close to where a derivative jumps")
    losses = series["losses"]
    assert all(map(math.isfinite, losses))
    print(f"{run['name']:72} loss {losses[0]:.4f} -> {losses[-1]:.4f}  f32 error {error:.1e}  attempt {attempt}")
    return run | {"initial": start} | series | {"final": final, "f32_error": float(f"{error:.2g}")}


def save(name, data, runs, seed, steady=math.inf):
    """Trains all runs and writes the file; `seed` is a function of a run's index and the attempt; see `complete`."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    runs = [complete(run, data, lambda attempt: seed(index, attempt), steady) for index, run in enumerate(runs)]
    assert len({run["name"] for run in runs}) == len(runs), "names must be unique"
    # Without the "+cu132" of a build, which has no say in CPU results.
    head = {"torch": torch.__version__.split("+")[0]} | data
    lines = [f"{json.dumps(key)}: {json.dumps(value, allow_nan=False)}" for key, value in head.items()]
    body = ",\n".join(json.dumps(run, allow_nan=False) for run in runs)
    path = FOLDER / name
    path.write_text("{" + ",\n".join(lines) + ',\n"runs": [\n' + body + "\n]}\n")
    print(f"{path}: {len(runs)} runs, {path.stat().st_size} bytes")
