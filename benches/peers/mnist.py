"""The IDX files of MNIST as NumPy arrays, and what the Python peers have in common."""

from __future__ import annotations

import argparse
import gzip
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

TEST_BATCH = 1000
LEARNING_RATE = 1e-3
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8


@dataclass(frozen=True)
class Samples:
    """Images as they are in the files, and their classes."""

    images: npt.NDArray[np.uint8]  # (N, 784)
    classes: npt.NDArray[np.int64]  # (N)

    @property
    def scaled(self) -> npt.NDArray[np.float32]:
        """Images from 0 to 1."""
        return self.images.astype(np.float32) / np.float32(255)


@dataclass(frozen=True)
class Options:
    """What a peer was asked to do."""

    data: Path
    widths: list[int]
    batch: int
    epochs: int
    samples: int
    seed: int
    device: str
    mode: str

    def load(self) -> tuple[Samples, Samples]:
        """Training samples, as many as were asked for, and test samples."""
        train = _read(self.data, "train")
        train = Samples(train.images[: self.samples], train.classes[: self.samples])
        return train, _read(self.data, "t10k")


@dataclass
class Outcome:
    """What a peer measured; one line of JSON."""

    framework: str
    version: str
    device: str
    threads: int | None
    compile_seconds: float | None
    time_to_first_step: float
    epoch_seconds: list[float]
    train_loss: float
    test_accuracy: float

    def print(self, options: Options) -> None:
        network = "-".join(str(width) for width in options.widths)
        asked = {"network": network, "batch": options.batch, "samples": options.samples, "last_batch": "kept"}
        print(json.dumps({**vars(self), **asked}))


def options(modes: list[str], devices: list[str]) -> Options:
    """Reads the command line; all peers take the same options."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "datasets" / "mnist")
    parser.add_argument("--widths", default="784,128,10", help="inputs, hidden widths, classes")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--samples", type=int, default=60000, help="train on the first ones only")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", choices=devices, default=devices[0])
    parser.add_argument("--mode", choices=modes, default=modes[0])
    values = vars(parser.parse_args())
    values["widths"] = [int(width) for width in values["widths"].split(",")]
    return Options(**values)


def _read(directory: Path, part: str) -> Samples:
    images = np.frombuffer(_content(directory, f"{part}-images-idx3-ubyte"), np.uint8, offset=16)
    classes = np.frombuffer(_content(directory, f"{part}-labels-idx1-ubyte"), np.uint8, offset=8)
    return Samples(images.reshape(len(classes), -1), classes.astype(np.int64))


def _content(directory: Path, name: str) -> bytes:
    plain = directory / name
    return plain.read_bytes() if plain.is_file() else gzip.decompress((directory / f"{name}.gz").read_bytes())
