#!/usr/bin/env python3
"""Prediction on the CPU, two threads: wgrad's Predictor beside onnxruntime with wgrad's own export, by turns.

    pip install onnxruntime numpy
    python benches/peers/predict.py [--rounds N] [--seconds S]

Models 784-128-10 and 784-512-512-10, trained for an epoch on 6,400 samples of MNIST; batches of 1 and 10,000 rows of its
test set as f32. onnxruntime gets the same rows, its usual graph optimizations, and two threads. Each round times one after
the other; ratios are of the rounds' medians.
"""
import argparse
import gzip
import json
import pathlib
import statistics
import subprocess
import tempfile
import time

import numpy
import onnxruntime

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODELS = {"784-128-10": "128", "784-512-512-10": "512,512"}


def images():
    """MNIST's test images, (N, 784)."""
    data = gzip.decompress((ROOT / "datasets/mnist/t10k-images-idx3-ubyte.gz").read_bytes())
    return (numpy.frombuffer(data, numpy.uint8, offset=16).reshape(-1, 784) / numpy.float32(255)).astype(numpy.float32)


def onnxruntime_seconds(path, rows, batch, seconds):
    """Each call's seconds."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    times, started, at = [], time.perf_counter(), 0
    while time.perf_counter() - started < seconds or len(times) < 5:
        own = rows[at : at + batch]
        call = time.perf_counter()
        session.run(None, {name: own})
        times.append(time.perf_counter() - call)
        at = (at + batch) % (len(rows) - batch + 1)
    return statistics.median(times)


def wgrad_seconds(program, path, batch, seconds):
    out = subprocess.run([program, path, str(batch), str(seconds)], capture_output=True, text=True, check=True, cwd=ROOT)
    return json.loads(out.stdout)["median"]


def built(*arguments):
    """The path of what cargo builds."""
    out = subprocess.run(["cargo", *arguments, "--message-format=json"], stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT)
    made = [json.loads(line) for line in out.stdout.splitlines()]
    return [line["executable"] for line in made if line.get("executable")][-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    args = parser.parse_args()
    command, program = built("build", "--release", "--bin", "wgrad"), built("bench", "--bench", "predict", "--no-run")
    rows = images()
    print(f"onnxruntime {onnxruntime.__version__}, {len(rows)} rows; seconds of a call, median of a round")
    print(f"{'model':<16}{'batch':>7}{'wgrad':>12}{'onnxruntime':>13}{'ratio':>7}")
    with tempfile.TemporaryDirectory() as folder:
        for name, hidden in MODELS.items():
            out, exported = f"{folder}/{name}", f"{folder}/{name}.onnx"
            model = f"{out}/model.safetensors"
            train = ["train", "mnist", "--hidden", hidden, "--limit", "6400", "--epochs", "1", "--device", "cpu", "-q"]
            subprocess.run([command, *train, "--out", out], check=True, cwd=ROOT)
            export = [command, "export", model, exported, "--rows", "numbers"]
            subprocess.run(export, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
            for batch in (1, 10_000):
                pairs = []
                for _ in range(args.rounds):
                    own = wgrad_seconds(program, model, batch, args.seconds)
                    pairs.append((own, onnxruntime_seconds(exported, rows, batch, args.seconds)))
                own, peer = (statistics.median(side) for side in zip(*pairs))
                print(f"{name:<16}{batch:>7}{own:>12.3e}{peer:>13.3e}{own / peer:>7.2f}", flush=True)


if __name__ == "__main__":
    main()
