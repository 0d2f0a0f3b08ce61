"""The programs of the comparison: how each is started, what it prints, and where it is missing."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PROBE_SECONDS = 120

CPU, GPU, SOFTWARE = "cpu", "gpu", "software"
"""Kinds of device; a software adapter is a Vulkan driver that computes on the CPU, as llvmpipe."""


class Failed(Exception):
    """A program that is missing, did not end well, or printed something else than expected."""


@dataclass(frozen=True)
class Network:
    """One row of the comparison."""

    widths: tuple[int, ...]
    batch: int

    @property
    def name(self) -> str:
        return "-".join(str(width) for width in self.widths) + f", batch {self.batch}"

    def steps(self, samples: int) -> int:
        """Of an epoch, the shorter last batch included."""
        return -(-samples // self.batch)


NETWORKS = (
    Network((784, 128, 10), 64),
    Network((784, 512, 512, 10), 128),
    Network((784, 128, 10), 1024),
    Network((784, 2048, 2048, 10), 1024),
)


@dataclass(frozen=True)
class Work:
    """What a program is to train."""

    network: Network
    samples: int
    epochs: int
    seed: int


@dataclass(frozen=True)
class Figures:
    """What a program measured."""

    version: str
    device: str
    time_to_first_step: float
    epoch_seconds: tuple[float, ...]
    train_loss: float
    test_accuracy: float

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Figures:
        """From JSON; other fields are passed over."""
        try:
            seconds = tuple(float(value) for value in fields["epoch_seconds"])
            numbers = [float(fields[name]) for name in ("time_to_first_step", "train_loss", "test_accuracy")]
            version, device = str(fields["version"]), str(fields["device"])
        except (KeyError, TypeError, ValueError) as error:
            raise Failed(f"its figures are incomplete: {error!r}") from error
        if not seconds or min(seconds) <= 0:
            raise Failed(f"its epochs took {seconds} s")
        return cls(version, device, numbers[0], seconds, numbers[1], numbers[2])

    def fields(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Places:
    """Where things are on this machine."""

    wgrad: Path
    python: Path
    burn: Path
    burn_spirv: Path  # the build with the feature `spirv`
    data: Path
    adapter: str | None  # wgrad's name of the software adapter


class Program:
    """One framework in one way of using it."""

    def __init__(self, name: str, devices: Sequence[str]) -> None:
        self.name, self.devices = name, tuple(devices)

    def probe(self, places: Places) -> list[str]:
        """A command that ends well where the program can run."""
        raise NotImplementedError

    def command(self, places: Places, device: str, work: Work) -> list[str]:
        raise NotImplementedError

    def figures(self, output: str) -> Figures:
        """From the last line of what it printed."""
        return Figures.of(_object(output.strip().splitlines()[-1:]))


class Wgrad(Program):
    """wgrad itself, through its command."""

    def probe(self, places: Places) -> list[str]:
        return [str(places.wgrad), "--version"]

    def command(self, places: Places, device: str, work: Work) -> list[str]:
        where = ["--adapter", places.adapter or ""] if device == SOFTWARE else ["--device", device]
        hidden = ",".join(str(width) for width in work.network.widths[1:-1])
        sizes = {"hidden": hidden, "batch": work.network.batch, "limit": work.samples, "epochs": work.epochs}
        others = {"optimizer": "adam", "lr": 0.001, "seed": work.seed, "data-dir": places.data}
        return [str(places.wgrad), "train", "mnist", "--json", "--quiet", *where, *_words({**sizes, **others})]

    def figures(self, output: str) -> Figures:
        events = [_object([line]) for line in output.splitlines()]
        seconds = [event["seconds"] for event in events if event.get("event") == "epoch"]
        summary = next((event for event in events if event.get("event") == "summary"), {})
        device = " ".join(str(summary.get(name, "")) for name in ("adapter", "driver")).strip()
        return Figures.of({**summary, "version": "", "device": device, "epoch_seconds": seconds})


class Script(Program):
    """A Python program of this folder."""

    def __init__(self, name: str, devices: Sequence[str], file: str, module: str, mode: str) -> None:
        super().__init__(name, devices)
        self.file, self.module, self.mode = file, module, mode

    def probe(self, places: Places) -> list[str]:
        return [str(places.python), "-c", f"import {self.module}"]

    def command(self, places: Places, device: str, work: Work) -> list[str]:
        options = {"mode": self.mode, "device": "cuda" if device == GPU else "cpu"}
        return [str(places.python), str(HERE / self.file), *_words({**options, **_common(places, work)})]


class Burn(Program):
    """The cargo project in `burn/`."""

    def __init__(self, name: str, devices: Sequence[str], backend: str) -> None:
        super().__init__(name, devices)
        self.backend = backend

    def binary(self, places: Places) -> str:
        return str(places.burn)

    def probe(self, places: Places) -> list[str]:
        return [self.binary(places), "--version"]

    def command(self, places: Places, device: str, work: Work) -> list[str]:
        backend = f"{self.backend}-software" if device == SOFTWARE else self.backend
        return [self.binary(places), *_words({"backend": backend, **_common(places, work)})]


class BurnSpirv(Burn):
    """The same project, built to compile its kernels to SPIR-V and not to WGSL."""

    def binary(self, places: Places) -> str:
        return str(places.burn_spirv)


WGRAD = Wgrad("wgrad", (CPU, GPU, SOFTWARE))
PEERS: tuple[Program, ...] = (
    Script("PyTorch eager", (CPU, GPU), "train_pytorch.py", "torch", "eager"),
    Script("PyTorch compiled", (CPU, GPU), "train_pytorch.py", "torch", "compile"),
    Script("PyTorch CUDA graph", (GPU,), "train_pytorch.py", "torch", "cudagraph"),
    Script("JAX", (CPU, GPU), "train_jax.py", "jax", "jit"),
    Burn("burn-flex", (CPU,), "flex"),
    Burn("burn-ndarray", (CPU,), "ndarray"),
    Burn("burn-wgpu WGSL", (GPU, SOFTWARE), "wgpu"),
    BurnSpirv("burn-wgpu SPIR-V", (GPU,), "wgpu"),  # its kernels need pointers that software adapters do not survive
)


def execute(command: Sequence[str], timeout: float) -> str:
    """What the command printed on stdout."""
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=timeout, cwd=HERE)
    except FileNotFoundError as error:
        raise Failed(f"{error.filename} is not there") from error
    except subprocess.TimeoutExpired as error:
        raise Failed(f"stopped after {timeout:.0f} s") from error
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
        raise Failed(last[0][:200])
    return done.stdout


def missing(program: Program, places: Places) -> str | None:
    """Why the program cannot run here."""
    try:
        execute(program.probe(places), PROBE_SECONDS)
    except Failed as failed:
        return str(failed).replace(f"{ROOT}/", "")
    return None


def _common(places: Places, work: Work) -> dict[str, Any]:
    widths = ",".join(str(width) for width in work.network.widths)
    sizes = {"widths": widths, "batch": work.network.batch, "samples": work.samples, "epochs": work.epochs}
    return {**sizes, "seed": work.seed, "data": places.data}


def _words(options: Mapping[str, object]) -> list[str]:
    return [word for name, value in options.items() for word in (f"--{name}", str(value))]


def _object(lines: Sequence[str]) -> dict[str, Any]:
    try:
        value = json.loads("".join(lines))
    except json.JSONDecodeError as error:
        raise Failed(f"it printed no JSON: {''.join(lines)[:100]!r}") from error
    if not isinstance(value, dict):
        raise Failed(f"it printed no JSON object: {value!r}")
    return value
