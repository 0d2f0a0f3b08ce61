"""Trains one of the comparison's networks in PyTorch and prints one line of JSON.

Written for speed: samples are tensors on the device, losses are added up there and read once an epoch, Adam is fused.
`compile` compiles loss, gradients and Adam's update into one graph, which measured faster than compiling the model and
leaving the optimizer outside. `cudagraph` also captures that graph; each step is then a single launch.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mnist import BETA_1, BETA_2, EPSILON, LEARNING_RATE, TEST_BATCH, Options, Outcome, Samples, options

CAPTURE_WARM_UP = 3

Step = Callable[[Tensor], Tensor]
"""Trains on the samples of these rows; returns the loss before the update, on the device."""


def network(widths: list[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for index, (inputs, units) in enumerate(pairwise(widths)):
        layers += [nn.ReLU()] * (index > 0) + [nn.Linear(inputs, units)]
    return nn.Sequential(*layers)


@dataclass(frozen=True)
class Data:
    """Samples on the device."""

    images: Tensor  # (N, I), from 0 to 1
    classes: Tensor  # (N)

    @classmethod
    def on(cls, device: torch.device, samples: Samples) -> Data:
        return cls(torch.from_numpy(samples.scaled).to(device), torch.from_numpy(samples.classes).to(device))


def eager_step(model: nn.Sequential, data: Data) -> Step:
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, eps=EPSILON, fused=True)

    def step(rows: Tensor) -> Tensor:
        loss = F.cross_entropy(model(data.images[rows]), data.classes[rows])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def compiled_step(model: nn.Sequential, data: Data) -> Step:
    """Loss, gradients and update as one graph for each of the two batch sizes; parameters change in place."""
    parameters = [parameter.detach() for parameter in model.parameters()]
    first = [torch.zeros_like(parameter) for parameter in parameters]
    second = [torch.zeros_like(parameter) for parameter in parameters]
    steps = torch.zeros((), device=data.images.device)

    def mean_loss(parameters: list[Tensor], images: Tensor, classes: Tensor) -> Tensor:
        x = images
        for index in range(0, len(parameters), 2):
            x = F.linear(x.relu() if index else x, parameters[index], parameters[index + 1])
        return F.cross_entropy(x, classes)

    def step(rows: Tensor) -> Tensor:
        gradients, loss = torch.func.grad_and_value(mean_loss)(parameters, data.images[rows], data.classes[rows])
        steps.add_(1)
        correction = (1 - BETA_2**steps).sqrt()
        rate, epsilon = LEARNING_RATE * correction / (1 - BETA_1**steps), EPSILON * correction
        for p, m, v, g in zip(parameters, first, second, gradients):
            m.mul_(BETA_1).add_(g, alpha=1 - BETA_1)
            v.mul_(BETA_2).addcmul_(g, g, value=1 - BETA_2)
            p.sub_(rate * m / (v.sqrt() + epsilon))
        return loss

    return torch.compile(step, dynamic=False)


class Epoch:
    """Runs a step over all batches of an order."""

    def __init__(self, step: Step, count: int, batch: int, device: torch.device) -> None:
        self.step, self.count, self.batch = step, count, batch
        self.loss = torch.zeros((), device=device)

    def start(self, order: Tensor) -> None:
        self.loss.zero_()
        self.batches = order.split(self.batch)

    def run(self) -> None:
        for rows in self.batches:
            self.loss += self.step(rows) * len(rows)

    def mean_loss(self, order: Tensor) -> float:
        """Trains in this order; the mean loss of its samples."""
        self.start(order)
        self.run()
        return self.loss.item() / self.count


class CapturedEpoch(Epoch):
    """The same with CUDA graphs: where a step reads the order is counted on the device, so a step is one launch."""

    def __init__(self, step: Step, count: int, batch: int, device: torch.device) -> None:
        super().__init__(step, count, batch, device)
        self.order = torch.arange(count, device=device)
        self.cursor = torch.zeros(1, dtype=torch.int64, device=device)
        self.whole = self._capture(batch)
        self.rest = self._capture(count % batch) if count % batch else None

    def _capture(self, size: int) -> torch.cuda.CUDAGraph:
        offsets = torch.arange(size, device=self.order.device)

        def body() -> None:
            self.loss += self.step(self.order[self.cursor + offsets]) * size
            self.cursor += size

        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(CAPTURE_WARM_UP):
                self.cursor.zero_()
                body()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            body()
        return graph

    def start(self, order: Tensor) -> None:
        self.loss.zero_()
        self.cursor.zero_()
        self.order.copy_(order)

    def run(self) -> None:
        for _ in range(self.count // self.batch):
            self.whole.replay()
        if self.rest is not None:
            self.rest.replay()


def accuracy(model: nn.Sequential, test: Data) -> float:
    """The part of the test samples that is named rightly."""
    with torch.inference_mode():
        batches = zip(test.images.split(TEST_BATCH), test.classes.split(TEST_BATCH))
        right = sum((model(images).argmax(1) == classes).sum().item() for images, classes in batches)
    return right / len(test.classes)


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def run(asked: Options) -> Outcome:
    train, test = asked.load()
    torch.set_flush_denormal(True)
    torch.manual_seed(asked.seed)
    count, device = len(train.classes), torch.device(asked.device)

    started = time.perf_counter()
    data = Data.on(device, train)
    model = network(asked.widths).to(device)
    step = eager_step(model, data) if asked.mode == "eager" else compiled_step(model, data)
    # A step by itself, so that its time is known; it trains too.
    step(torch.randperm(count, device=device)[: asked.batch]).item()
    time_to_first_step = time.perf_counter() - started
    started = time.perf_counter()
    if count % asked.batch and asked.mode != "eager":
        step(torch.randperm(count, device=device)[: count % asked.batch]).item()
    kind = CapturedEpoch if asked.mode == "cudagraph" else Epoch
    epoch = kind(step, count, asked.batch, device)
    synchronize(device)
    compile_seconds = None if asked.mode == "eager" else time.perf_counter() - started

    epoch_seconds = []
    for _ in range(asked.epochs):
        started = time.perf_counter()
        train_loss = epoch.mean_loss(torch.randperm(count, device=device))
        synchronize(device)
        epoch_seconds.append(time.perf_counter() - started)
    return Outcome(
        framework=f"pytorch {asked.mode}",
        version=torch.__version__,
        device=torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        threads=torch.get_num_threads() if device.type == "cpu" else None,
        compile_seconds=compile_seconds,
        time_to_first_step=time_to_first_step,
        epoch_seconds=epoch_seconds,
        train_loss=train_loss,
        test_accuracy=accuracy(model, Data.on(device, test)),
    )


if __name__ == "__main__":
    asked = options(modes=["eager", "compile", "cudagraph"], devices=["cpu", "cuda"])
    run(asked).print(asked)
