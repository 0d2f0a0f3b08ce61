#!/usr/bin/env python3
"""Golden files and hashes: what a wgrad binary makes of cases.json, and whether a later binary makes the same of it.

    make.py write WGRAD DIR [--adapter NAME] [--commit HASH]
    make.py check WGRAD [DIR] [--adapter NAME]

WGRAD is the binary. It runs with `--device cpu`, or on the adapter that is named. Needs Python 3.8 and nothing else.

write   Trains every case and fills DIR:
          models/NAME/       model files, and in expected.json their tensors, what `eval --json` and `predict --json` say
          checkpoints/NAME/  a run directory in the middle of a run, as a kill leaves it, for `train --resume`;
                             expected.json has the checkpoint's tensors and what the resumed run ends with. It is an
                             error if that is not what the same run comes to without an interruption.
          settings.json      what each setting ends with
          made_by.json       the binary, its commit, the device
check   Loads the model files and resumes the run directories of DIR (this script's, where none is named), trains the
        settings, and prints every number and every tensor that differs from what DIR expects. Exit status 1 if any does.

To compare a later binary on this machine, on the CPU and on an adapter:

    tests/golden/before/make.py check target/release/wgrad
    tests/golden/before/make.py write BASE_BINARY /elsewhere/gpu --adapter llvmpipe        once, with the earlier binary
    tests/golden/before/make.py check target/release/wgrad /elsewhere/gpu --adapter llvmpipe

To compare what it writes, files included:

    tests/golden/before/make.py write target/release/wgrad /tmp/after
    diff -r -x '*.safetensors' -x config.toml tests/golden/before /tmp/after | grep -v '^Only in'

Model files and checkpoints are left out there, since they hold times and the wgrad version; their tensors are in the JSON
files as "TYPE SHAPE HASH", HASH being the first 128 bits of the little-endian bytes' SHA-256.

The committed files are those of `write` on the CPU by the commit in made_by.json. Same bits are promised for x86-64 with FMA
(AVX2 and AVX-512 agree) and Linux's glibc, from which a few host-side numbers come (powers and cosines of schedules, Box
and Muller's normals); the CPU's number of threads does not matter.
"""

import argparse
import hashlib
import json
import os
import pathlib
import platform
import shutil
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parents[2]
# What an event says of where it ran; the rest are results.
PLACE = {"event", "model", "device", "adapter", "backend", "driver", "note", "kernels"}
TIMES = {"seconds", "samples_per_second"}
CHECKPOINTS = ["checkpoint.0.safetensors", "checkpoint.1.safetensors"]


class Failed(SystemExit):
    """A command ended with an error. Where nothing catches it, it is the script's."""


class Wgrad:
    """A binary on a device."""

    def __init__(self, binary, adapter, cache):
        self.binary = pathlib.Path(binary).resolve()
        self.device = ["--adapter", adapter, "--kernels", "default"] if adapter else ["--device", "cpu"]
        self.environment = {**os.environ, "XDG_CACHE_HOME": str(cache), "WGRAD_DATA": str(REPOSITORY / "datasets")}

    def run(self, *words):
        """Its standard output. It runs here, so that paths in cases.json and in run directories are found."""
        command = [self.binary, *map(str, words)]
        done = subprocess.run(command, cwd=HERE, env=self.environment, capture_output=True, text=True)
        if done.returncode != 0:
            raise Failed(f"wgrad {' '.join(map(str, words))}\n{done.stderr}")
        return done.stdout

    def train(self, line, out, *more):
        self.run("train", *line.split(), *self.device, *more, "--quiet", "--out", out)

    def resume(self, directory):
        self.run("train", "--resume", directory, "--quiet")

    def results(self, *words):
        """The events of a command without what they say of the place."""
        lines = self.run(*words, *self.device, "--json", "--quiet").splitlines()
        return [{key: value for key, value in json.loads(line).items() if key not in PLACE} for line in lines]


def header(path):
    """A safetensors file's header, and the rest."""
    content = path.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    return json.loads(content[8:end]), content[end:]


def tensors(path):
    """Each tensor's type, shape and hash, by name."""
    entries, data = header(path)
    entries.pop("__metadata__", None)

    def text(entry):
        start, end = entry["data_offsets"]
        return f"{entry['dtype']} {entry['shape']} {hashlib.sha256(data[start:end]).hexdigest()[:32]}"

    return {name: text(entry) for name, entry in sorted(entries.items())}


def newest(directory):
    """The checkpoint that stands after more steps."""
    def stand(path):
        state = json.loads(header(path)[0]["__metadata__"]["wgrad-checkpoint"])
        position = (state["fit"] or {}).get("position") or {"batches": 0}
        return state["epochs"], state["steps"] + position["batches"]

    return max((directory / name for name in CHECKPOINTS if (directory / name).exists()), key=stand)


def models(directory):
    """Model files, the best epoch's too."""
    return sorted(path for path in directory.glob("*.safetensors") if path.name not in CHECKPOINTS)


def history(directory):
    lines = (directory / "history.jsonl").read_text().splitlines()
    return [{key: value for key, value in json.loads(line).items() if key not in TIMES} for line in lines]


def outcome(directory):
    """What a run ended with: every number, no time."""
    found = {path.name: tensors(path) for path in models(directory)}
    return {**found, "checkpoint": tensors(newest(directory)), "history": history(directory)}


def judged(wgrad, case, directory):
    """What model files hold, and what they say."""
    files = models(directory)
    evaluations = {}
    for path in files:
        said = [wgrad.results("eval", path, *line.split())[0] for line in case["eval"]]
        evaluations[path.name] = {"tensors": tensors(path), "eval": said,
                                  "predict": wgrad.results("predict", path, case["rows"])}
    return evaluations


def make_model(wgrad, case, directory, place):
    """Trains or imports, and keeps the final model of each replica."""
    directory.mkdir(parents=True)
    if "import" in case:
        wgrad.run("import", *case["import"].split(), "-o", directory / "model.safetensors", "--quiet")
    else:
        wgrad.train(case["train"], place / "run")
        for path in (place / "run").glob("model*.safetensors"):
            shutil.copyfile(path, directory / path.name)


def make_checkpoint(wgrad, case, directory, place):
    """Leaves what a run that was killed after some steps leaves: its arguments, its checkpoint, and the best model so far,
    which is written at the end of epochs only. The arguments are those of the run that was not cut short."""
    directory.mkdir(parents=True)
    whole, part = place / "whole", place / "part"
    wgrad.train(case["train"], whole)
    wgrad.train(case["train"], part, "--steps", case["steps"])
    checkpoint = newest(part)
    state = json.loads(header(checkpoint)[0]["__metadata__"]["wgrad-checkpoint"])
    shutil.copyfile(whole / "config.toml", directory / "config.toml")
    shutil.copyfile(checkpoint, directory / checkpoint.name)
    if state["fit"]["position"] is None:
        shutil.copyfile(part / "best.safetensors", directory / "best.safetensors")
    return outcome(whole)


def resumed(wgrad, directory, place):
    """What a run directory holds, and ends with; a copy of it goes on."""
    copy = place / "resumed"
    shutil.copytree(directory, copy, ignore=shutil.ignore_patterns("expected.json"))
    wgrad.resume(copy)
    return {"checkpoint": tensors(newest(directory)), "end": outcome(copy)}


def differences(wanted, got, where):
    """Every place where two values differ."""
    if isinstance(wanted, dict) and isinstance(got, dict):
        for key in sorted(wanted.keys() | got.keys()):
            yield from differences(wanted.get(key, "nothing"), got.get(key, "nothing"), f"{where} {key}")
    elif isinstance(wanted, list) and isinstance(got, list) and len(wanted) == len(got):
        for index, pair in enumerate(zip(wanted, got)):
            yield from differences(*pair, f"{where} {index}")
    elif wanted != got:
        yield f"{where}: {json.dumps(wanted)} was expected, got {json.dumps(got)}"


def save(path, value):
    """JSON with a line for each of the outer values, so that a diff says which differs."""
    def text(value, depth):
        if not isinstance(value, dict) or depth == 3:
            return json.dumps(value)
        lines = [f"{' ' * depth} {json.dumps(key)}: {text(inner, depth + 1)}" for key, inner in value.items()]
        return "{\n" + ",\n".join(lines) + "\n" + " " * depth + "}"

    path.write_text(text(value, 0) + "\n")


def write(wgrad, cases, directory, commit):
    directory.mkdir(parents=True, exist_ok=True)
    for name in ["models", "checkpoints"]:
        shutil.rmtree(directory / name, ignore_errors=True)
    for name, case in cases["models"].items():
        own = directory / "models" / name
        with tempfile.TemporaryDirectory() as place:
            make_model(wgrad, case, own, pathlib.Path(place))
        save(own / "expected.json", judged(wgrad, case, own))
    for name, case in cases["checkpoints"].items():
        own = directory / "checkpoints" / name
        with tempfile.TemporaryDirectory() as place:
            whole = make_checkpoint(wgrad, case, own, pathlib.Path(place))
            result = resumed(wgrad, own, pathlib.Path(place))
        wrong = list(differences(whole, result["end"], name))
        if wrong:
            raise SystemExit("resumed and whole run differ\n" + "\n".join(wrong))
        save(own / "expected.json", result)
    settings = {}
    for name, line in cases["settings"].items():
        with tempfile.TemporaryDirectory() as place:
            settings[name] = trained(wgrad, line, pathlib.Path(place))
    save(directory / "settings.json", settings)
    save(directory / "made_by.json", made_by(wgrad, commit))


def made_by(wgrad, commit):
    """Where the files come from."""
    show = ["git", "-C", str(REPOSITORY), "show", "-s", "--format=%H %cI"]
    made = [None, None]
    if commit:
        made = subprocess.run([*show, commit], capture_output=True, text=True, check=True).stdout.split()
    return {"commit": made[0], "date": made[1], "version": wgrad.run("--version").strip(), "device": wgrad.device,
            "sha256 of the binary": hashlib.sha256(wgrad.binary.read_bytes()).hexdigest(),
            "machine": f"{platform.system()} {platform.machine()}, {' '.join(platform.libc_ver())}"}


def trained(wgrad, line, place):
    wgrad.train(line, place / "run")
    return outcome(place / "run")


def check(wgrad, cases, directory):
    """All differences from what is expected."""
    def case(name, wanted, get):
        with tempfile.TemporaryDirectory() as place:
            try:
                yield from differences(wanted, get(pathlib.Path(place)), name)
            except Failed as error:
                yield f"{name}: {error}"

    for kind in ["models", "checkpoints"]:
        for name, about in cases[kind].items():
            own = directory / kind / name
            get = {"models": lambda _: judged(wgrad, about, own),
                   "checkpoints": lambda place: resumed(wgrad, own, place)}
            yield from case(f"{kind}/{name}", json.loads((own / "expected.json").read_text()), get[kind])
    settings = json.loads((directory / "settings.json").read_text())
    for name, line in cases["settings"].items():
        yield from case(f"settings/{name}", settings[name], lambda place: trained(wgrad, line, place))


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("what", choices=["write", "check"])
    parser.add_argument("wgrad")
    parser.add_argument("directory", nargs="?")
    parser.add_argument("--adapter")
    parser.add_argument("--commit")
    args = parser.parse_args()
    processor = pathlib.Path("/proc/cpuinfo")
    known = platform.machine() == "x86_64" and processor.exists()
    if known and not args.adapter and " fma " not in processor.read_text():
        raise SystemExit("this CPU has no FMA: its last digits are others than those of the committed files")
    cases = json.loads((HERE / "cases.json").read_text())
    if args.what == "write" and not args.directory:
        parser.error("write needs DIR")
    directory = pathlib.Path(args.directory or HERE).resolve()
    with tempfile.TemporaryDirectory() as cache:
        wgrad = Wgrad(args.wgrad, args.adapter, cache)
        if args.what == "write":
            return write(wgrad, cases, directory, args.commit)
        count = 0
        for count, line in enumerate(check(wgrad, cases, directory), 1):
            print(line, flush=True)
        number = sum(map(len, cases.values()))
        print(f"{number} cases, {count} differences")
        raise SystemExit(count > 0)


if __name__ == "__main__":
    main()
