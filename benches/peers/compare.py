#!/usr/bin/env python3
"""Runs wgrad and its peers in turn on the same networks and prints how their times compare.

Needs nothing but Python and a release build of wgrad; peers that are not installed are skipped and named. See README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from programs import CPU, GPU, NETWORKS, PEERS, ROOT, SOFTWARE, WGRAD, execute, missing
from programs import Failed, Figures, Network, Places, Program, Work
from summary import Measurement, failures, markdown, plain, tables

TRAIN_SAMPLES = 60_000
RUN_SECONDS = 1200.0


@dataclass(frozen=True)
class Size:
    """How much each program trains in a round."""

    samples: int
    epochs: int
    warm_up: int


CPU_SIZES = tuple(Size(TRAIN_SAMPLES, epochs, 1) for epochs in (4, 3, 5, 2))
CPU_QUICK = (*(Size(TRAIN_SAMPLES, epochs, 1) for epochs in (3, 2, 4)), Size(15 * 1024, 2, 1))
GPU_SIZE = Size(TRAIN_SAMPLES, 6, 2)
# Twenty steps an epoch: software adapters take long, and some peers tune for minutes, which is the warm-up.
SOFTWARE_SIZE = Size(20 * NETWORKS[0].batch, 8, 3)
ROUNDS, QUICK_ROUNDS = 3, 1


@dataclass(frozen=True)
class Task:
    """One program on one network and device in one round."""

    device: str
    network: Network
    program: Program
    round: int
    size: Size

    @property
    def key(self) -> tuple[object, ...]:
        return (self.device, self.network.name, self.program.name, self.round, self.size.samples, self.size.epochs)


def sizes(device: str, quick: bool) -> list[tuple[Network, Size]]:
    """Networks of a device, and how long each is trained."""
    if device == SOFTWARE:
        return [(NETWORKS[0], SOFTWARE_SIZE)]
    if device == GPU:
        return [(network, GPU_SIZE) for network in NETWORKS]
    return list(zip(NETWORKS, CPU_QUICK if quick else CPU_SIZES))


def tasks(devices: list[str], programs: list[Program], rows: list[int], rounds: int, quick: bool) -> Iterator[Task]:
    """Round by round; in each round another program begins, so that none always has the cooler machine."""
    for number in range(rounds):
        for device in devices:
            able = [program for program in programs if device in program.devices]
            turn = number % max(len(able), 1)
            for network, size in sizes(device, quick):
                if NETWORKS.index(network) + 1 in rows:
                    for program in able[turn:] + able[:turn]:
                        yield Task(device, network, program, number, size)


def measure(task: Task, places: Places, timeout: float) -> Measurement:
    work = Work(task.network, task.size.samples, task.size.epochs, seed=task.round)
    steps = task.network.steps(task.size.samples)
    found: dict[str, Any] = {"figures": None, "failure": None}
    try:
        output = execute(task.program.command(places, task.device, work), timeout)
        found["figures"] = task.program.figures(output)
    except Failed as failed:
        found["failure"] = str(failed)
    return Measurement(task.device, task.network.name, task.program.name, task.round, steps, task.size.warm_up, **found)


@dataclass(frozen=True)
class Run:
    """Where and when measurements were made, and what was left out."""

    date: str
    machine: str
    python: str
    commit: str
    skipped: list[str]

    @classmethod
    def now(cls, skipped: list[str]) -> Run:
        return cls(time.strftime("%Y-%m-%d"), machine(), platform.python_version(), commit(), skipped)


class Record:
    """A file with a line of JSON per measurement, so that a comparison that was stopped can go on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.run: Run | None = None  # the latest
        self.done: dict[tuple[object, ...], Measurement] = {}
        for line in path.read_text().splitlines() if path.is_file() else ():
            self._keep(json.loads(line))

    def _keep(self, line: dict[str, Any]) -> None:
        if "run" in line:
            self.run = Run(**line["run"])
            return
        fields = dict(line["measurement"])
        if fields["figures"] is not None:
            fields["figures"] = Figures.of(fields["figures"])
        self.done[tuple(line["key"])] = Measurement(**fields)

    def has(self, task: Task) -> bool:
        """Measured; what failed is tried again."""
        known = self.done.get(task.key)
        return known is not None and known.failure is None

    def begin(self, run: Run) -> None:
        self.run = run
        self._write({"run": asdict(run)})

    def add(self, task: Task, measurement: Measurement) -> None:
        self.done[task.key] = measurement
        self._write({"key": task.key, "measurement": asdict(measurement)})

    def _write(self, line: dict[str, Any]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")


def software_adapter(wgrad: Path) -> tuple[str | None, bool]:
    """Number of wgrad's first software adapter, and whether there is a real GPU."""
    try:
        lines = [json.loads(line) for line in execute([str(wgrad), "adapters", "--json"], 60).splitlines()]
    except Failed:
        return None, False
    adapters = [line for line in lines if line.get("event") == "adapter"]
    software = next((str(adapter["index"]) for adapter in adapters if adapter["kind"] == "software"), None)
    return software, any(adapter["kind"] != "software" for adapter in adapters)


def first_line(path: str, begin: str) -> str:
    """What stands after `begin` and its separator in a file of the system; empty where it is not there."""
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return ""
    line = next((line for line in lines if line.startswith(begin)), "")
    return line.removeprefix(begin).strip(' \t:="')


def machine() -> str:
    cpu = first_line("/proc/cpuinfo", "model name") or platform.processor() or platform.machine()
    system = first_line("/etc/os-release", "PRETTY_NAME") or platform.platform()
    return f"{cpu}, {os.cpu_count()} logical CPUs, {system}"


def commit() -> str:
    try:
        return execute(["git", "-C", str(ROOT), "describe", "--always", "--dirty"], 60).strip()
    except Failed:
        return "unknown"


def report(run: Run, measurements: list[Measurement]) -> str:
    """The Markdown page."""
    versions = {f"{m.program} {m.figures.version}".strip() for m in measurements if m.figures}
    devices = {f"{m.device}: {m.figures.device}" for m in measurements if m.figures and m.program == WGRAD.name}
    head = f"""\
Machine: {run.machine}. {run.date}, Python {run.python}, commit {run.commit}.
Versions: {", ".join(sorted(versions))}. Devices: {"; ".join(sorted(devices))}.

MNIST, ReLU, softmax cross-entropy, Adam 1e-3; all keep the shorter last batch. Of each run the median epoch after the
warm-up counts. A ratio below 1 means that wgrad is faster; minimum, median and maximum are over rounds."""
    notes = [*run.skipped, *failures(measurements)]
    tail = ["Left out:\n\n" + "\n".join(f"- {note}" for note in notes)] if notes else []
    return "\n\n".join([head, *(markdown(table) for table in tables(measurements)), *tail]) + "\n"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    new = ROOT / "target" / "peers" / time.strftime("%Y-%m-%dT%H%M%S.jsonl")
    burn = Path(__file__).resolve().parent / "burn" / "target"
    parser.add_argument("--quick", action="store_true", help="one round and short runs: under five minutes")
    parser.add_argument("--rounds", type=int, help=f"default: {ROUNDS}, or {QUICK_ROUNDS} with --quick")
    parser.add_argument("--devices", help="of cpu, gpu, software; default: all that wgrad finds")
    parser.add_argument("--networks", default="1,2,3,4", help="numbers of the networks; default: %(default)s")
    parser.add_argument("--only", help="peers whose names contain one of these words, as `jax,flex`")
    parser.add_argument("--python", type=Path, default=Path(sys.executable), help="the Python that has the peers")
    parser.add_argument("--wgrad", type=Path, default=ROOT / "target" / "release" / "wgrad")
    parser.add_argument("--burn", type=Path, default=burn / "release" / "burn-peer")
    parser.add_argument("--burn-spirv", type=Path, default=burn / "spirv" / "release" / "burn-peer")
    parser.add_argument("--data", type=Path, default=ROOT / "datasets" / "mnist", help="directory of the IDX files")
    parser.add_argument("--timeout", type=float, default=RUN_SECONDS, help="seconds for one run; default: %(default)s")
    parser.add_argument("--record", type=Path, default=new, help="one that exists is gone on with; default: a new one")
    parser.add_argument("--report", action="store_true", help="measure nothing, only print what the record holds")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="default: beside the record")
    return parser.parse_args()


def choose(asked: argparse.Namespace, places: Places, has_gpu: bool) -> tuple[list[str], list[Program], list[str]]:
    """Devices and programs to measure, and what is left out and why."""
    found = [CPU, *[GPU] * has_gpu, *[SOFTWARE] * (places.adapter is not None)]
    devices = asked.devices.split(",") if asked.devices else found
    skipped = [f"{device}: wgrad finds no such device" for device in devices if device not in found]
    devices = [device for device in devices if device in found]
    if reason := missing(WGRAD, places):
        raise SystemExit(f"{places.wgrad}: {reason}; run cargo build --release, or name it with --wgrad")
    words = asked.only.lower().split(",") if asked.only else [""]
    programs: list[Program] = [WGRAD]
    for peer in PEERS:
        if not set(devices) & set(peer.devices) or not any(word in peer.name.lower() for word in words):
            continue
        if reason := missing(peer, places):
            skipped.append(f"{peer.name} is not installed: {reason}")
        else:
            programs.append(peer)
    return devices, programs, skipped


def run(asked: argparse.Namespace, record: Record) -> None:
    """Measures what the record does not hold yet."""
    wgrad = asked.wgrad.absolute()
    adapter, has_gpu = software_adapter(wgrad)
    burn, burn_spirv = asked.burn.absolute(), asked.burn_spirv.absolute()
    places = Places(wgrad, asked.python.absolute(), burn, burn_spirv, asked.data.absolute(), adapter)
    devices, programs, skipped = choose(asked, places, has_gpu)
    record.begin(Run.now(skipped))
    for note in skipped:
        print(f"left out: {note}", file=sys.stderr)
    rounds = asked.rounds or (QUICK_ROUNDS if asked.quick else ROUNDS)
    rows = [int(row) for row in asked.networks.split(",")]
    for task in tasks(devices, programs, rows, rounds, asked.quick):
        if record.has(task):
            continue
        measurement = measure(task, places, asked.timeout)
        record.add(task, measurement)
        outcome = measurement.failure or f"{measurement.seconds:.3f} s an epoch of {task.size.samples} samples"
        where = f"round {task.round + 1}/{rounds} {task.device} {task.network.name}"
        print(f"{where}: {task.program.name}: {outcome}", file=sys.stderr, flush=True)


def main() -> None:
    asked = arguments()
    record = Record(asked.record)
    if not asked.report:
        run(asked, record)
    if record.run is None:
        raise SystemExit(f"{asked.record} holds nothing to report")
    measurements = list(record.done.values())
    print("\n\n".join(plain(table) for table in tables(measurements)))
    page = asked.markdown or asked.record.with_suffix(".md")
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(report(record.run, measurements))
    print(f"\nrecord {asked.record}\nMarkdown {page}", file=sys.stderr)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("stopped; go on with --record and the newest file in target/peers")
