#!/usr/bin/env python3
"""What onnxruntime computes with wgrad's ONNX files.

Usage: make_onnx.py WGRAD            exports onnx/*.safetensors again, checks and runs each, writes onnx/onnx.json
       make_onnx.py WGRAD --train    trains them first, which another machine may do with other last digits

WGRAD is the binary. Each case is a small model file of wgrad in `onnx/`, its ONNX file, and rows as a user has them:
pixels of MNIST, lines of CSV with words and gaps, arrays. onnx.checker must pass (full_check), ONNX's own reference evaluator must
agree, rows that `wgrad predict` refuses must end in an error, and the class must be what the outputs say. Rust's tests export the same model files, compare
the bytes with the committed ONNX files, and compare predictions with the numbers written here.

onnx.json
    onnx, onnxruntime    versions
    wgrad                the version that the ONNX files name as their producer
    cases[]              name; model (path from here); onnx (likewise); rows_option ("bytes", "numbers" or null);
                         rows: {"mnist": count} or {"table": path} (all lines) or {"array": name};
                         outputs: by name, what onnxruntime gave
    arrays               by name, rows of float32
"""

import csv
import gzip
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
from onnx.reference import ReferenceEvaluator
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument

HERE = pathlib.Path(__file__).resolve().parent
DIR = HERE / "onnx"
MNIST = HERE.parent.parent / "datasets/mnist/t10k-images-idx3-ubyte.gz"
IRIS = HERE.parent.parent / "datasets/iris/iris.csv"
PEOPLE = DIR / "people.csv"
MISSING = {"", "na", "n/a", "nan", "null", "none", "?", "<na>", "#n/a"}
ACTIVATIONS = ["linear", "relu", "leaky-relu", "elu", "selu", "gelu", "gelu-tanh", "silu", "softplus", "sigmoid",
               "hard-sigmoid", "tanh"]
BLOBS = "make-classification:samples=60"
SHORT = ["--device", "cpu", "--batch", "10"]
PEOPLE_COLUMNS = ["--categorical", "job,town", "--ordinal", "size=small:medium:large", "--missing", "mean"]


def table(path):
    return {"table": str(path.relative_to(HERE.parent.parent))}


def waves():
    """Signed rows, some of them large, so that every activation meets both of its ends."""
    i, j = np.arange(12).reshape(-1, 1), np.arange(20)
    return (np.sin(i * 3.7 + j * 1.3) * (1 + 8 * (i % 3 == 2))).astype(np.float32)


def pixels():
    """Bytes; the last column never changes."""
    i, j = np.arange(30).reshape(-1, 1), np.arange(6)
    return np.where(j == 5, 77, (i * 31 + j * 57 + i * j * 13) % 256).astype(np.uint8)


ARRAYS = {"waves": waves(), "pixels": pixels()}
PIXELS = "PIXELS.npz"  # stands for a file of these, with made-up classes


def shortest(values):
    """Nested lists with no more digits than float32 has."""
    if values.dtype != np.float32:  # whole numbers
        return values.tolist()
    return [float(str(value)) for value in values] if values.ndim == 1 else [shortest(part) for part in values]


def cases():
    """Name, how the model comes to be (none: it is there already), rows, --rows."""
    people = [str(PEOPLE), *PEOPLE_COLUMNS, "--hidden", "6", "--epochs", "20", "--lr", "0.02"]
    deep = ["--hidden", "6,6,6", "--residual", "--dropout", "0.2", "--epochs", "5"]
    yield "mnist", None, {"mnist": 16}, "bytes"
    yield "iris_batch_norm", ["iris", *deep, "--norm", "batch"], table(IRIS), None
    yield "people_classes", [*people, "--target", "buys", "--loss", "bce"], table(PEOPLE), None
    yield "people_values", [*people, "--target", "income,age", "--drop", "buys", "--preprocess", "min-max",
                            "--scale-target"], table(PEOPLE), None
    numbers = [str(PEOPLE), "--target", "income", "--drop", "job,town,size,buys", "--missing", "mean", "--scale-target"]
    yield "people_numbers", [*numbers, *deep, "--norm", "layer", "--activation", "tanh"], table(PEOPLE), None
    yield "iris_normalize_hinge", ["iris", "--preprocess", "standardize,normalize", "--loss", "hinge", "--hidden", "5",
                                   "--epochs", "5"], table(IRIS), None
    for how in ["standardize", "normalize", "none"]:
        yield f"pixels_{how}", [PIXELS, "--preprocess", how, "--hidden", "4", "--epochs", "5"], \
            {"array": "pixels"}, None if how == "none" else "bytes"  # without preparation bytes are known to be bytes
    yield "pixels_as_numbers", [PIXELS, "--preprocess", "min-max", "--hidden", "4", "--epochs", "5"], \
        {"array": "pixels"}, "numbers"
    for name in ACTIVATIONS:
        yield f"activation_{name}", [BLOBS, "--hidden", "7", "--activation", name, "--epochs", "2"], {"array": "waves"}, None
    imported = ["import", "--loss", "mse", "--task", "classification", "--output-activation"]
    for name in ["sigmoid", "softmax"]:
        yield f"output_{name}", [*imported, name, "--names", "left,right"], {"array": "waves"}, None
    yield "output_tanh", ["import", "--loss", "mse", "--output-activation", "tanh"], {"array": "waves"}, None


def run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stderr}")


def train(wgrad, name, how, target):
    with tempfile.TemporaryDirectory() as place:
        place = pathlib.Path(place)
        if how[0] == "import":
            source = place / "state.safetensors"
            run(wgrad, "export", DIR / "activation_tanh.safetensors", source)
            run(wgrad, "import", source, *how[1:], "--activation", "tanh", "-o", target)
        else:
            np.savez(place / PIXELS, x=ARRAYS["pixels"], y=np.arange(30) % 3)
            how = [place / PIXELS if word == PIXELS else word for word in how]
            run(wgrad, "train", *how, *SHORT, "--quiet", "--out", place / "run")
            shutil.copyfile(place / "run/model.safetensors", target)


def raw_rows(rows):
    """Columns by name, or a matrix."""
    if "mnist" in rows:
        with gzip.open(MNIST) as file:
            data = np.frombuffer(file.read(16 + 784 * rows["mnist"]), np.uint8)[16:]
        return data.reshape(-1, 784)
    if "array" in rows:
        return ARRAYS[rows["array"]]
    with open(HERE.parent.parent / rows["table"], newline="") as file:
        return list(csv.DictReader(file))


def number(cell):
    return float("nan") if cell.strip().lower() in MISSING else float(cell)


def feeds(session, rows):
    """Rows as the graph's inputs."""
    inputs = session.get_inputs()
    if not isinstance(rows, list):
        kind = {"tensor(uint8)": np.uint8, "tensor(float)": np.float32, "tensor(double)": np.float64}[inputs[0].type]
        return {inputs[0].name: rows.astype(kind)}
    columns = json.loads(session.get_modelmeta().custom_metadata_map["wgrad.columns"])
    if len(inputs) == 1:
        return {inputs[0].name: np.array([[number(row[column]) for column in columns] for row in rows])}
    if [put.name for put in inputs] != columns:
        raise SystemExit(f"inputs {[put.name for put in inputs]} are not the columns {columns}")
    read = {"tensor(string)": lambda cell: cell.strip(), "tensor(double)": number}
    kind = {"tensor(string)": object, "tensor(double)": np.float64}
    return {put.name: np.array([[read[put.type](row[put.name])] for row in rows], kind[put.type]) for put in inputs}


def refuses(session, feed, name, value):
    """One cell is changed: the run must end with an error."""
    changed = {key: values[:1].copy() for key, values in feed.items()}
    changed[name][0, 0] = value
    try:
        session.run(None, changed)
    except (Fail, InvalidArgument):
        return
    raise SystemExit(f"{name} = {value!r} was not refused")


def check_reference(path, feed, outputs):
    """ONNX's reference evaluator, operators written out in numpy, gives the same."""
    for values, own in zip(outputs.values(), ReferenceEvaluator(onnx.load(path)).run(None, feed)):
        np.testing.assert_allclose(own, values, rtol=1e-5, atol=1e-5)


def check_class(outputs):
    """The class follows from the other output."""
    if "class" not in outputs:
        return
    values = outputs.get("probabilities", outputs.get("outputs"))
    wanted = values.argmax(axis=1) if values.shape[1] > 1 else (values[:, 0] > 0.5).astype(np.int64)
    if not (outputs["class"] == wanted).all():
        raise SystemExit(f"classes {outputs['class']} are not {wanted}")


def check(path, rows):
    """What onnxruntime makes of rows."""
    onnx.checker.check_model(onnx.load(path), full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4  # errors that are wanted would be printed
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [put.name for put in session.get_outputs()]
    feed = feeds(session, raw_rows(rows))
    outputs = dict(zip(names, session.run(None, feed)))
    if not all(np.isfinite(values).all() for values in outputs.values()):
        raise SystemExit(f"{path}: outputs are not finite")
    check_class(outputs)
    check_reference(path, feed, outputs)
    # One row alone gives the same: N is open.
    alone = session.run(None, {key: values[:1] for key, values in feed.items()})
    for values, own in zip(outputs.values(), alone):
        np.testing.assert_allclose(own, values[:1], rtol=1e-5, atol=1e-6)
    for put in session.get_inputs():
        if put.type == "tensor(string)":
            refuses(session, feed, put.name, "no such category")
            refuses(session, feed, put.name, " ")
        elif put.type == "tensor(double)" and "wgrad.columns" in session.get_modelmeta().custom_metadata_map:
            # Gaps have a stand-in in the tables of people only.
            if "people" not in path.name:
                refuses(session, feed, put.name, float("nan"))
    return {name: shortest(values) for name, values in outputs.items()}


def write_people():
    """Made up, with gaps, words and numbers of different sizes."""
    numbers = np.random.default_rng(5)
    jobs, towns, sizes = ["baker", "smith", "clerk, senior"], ["Ulm", "Köln", "Bonn", "Jena"], ["small", "medium", "large"]
    gaps = ["", "NA", "?", "nan", "None"]
    with open(PEOPLE, "w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["age", "job", "town", "born", "size", "income", "buys"])
        for n in range(40):
            age, job, town, size = (int(numbers.integers(high)) for high in (60, 3, 4, 3))
            income = round(900 + 31.7 * age + 400 * job - 120 * town + 55 * size + 40 * numbers.normal(), 2)
            born = 1_700_000_000 + 86_400 * int(numbers.integers(300))
            row = [20 + age, jobs[job], towns[town], born, sizes[size], income, "yes" if age + 9 * job > 36 else "no"]
            for column in (1, 2, 3, 4):
                if (n + 3 * column) % 11 == 4:
                    row[column] = gaps[(n + column) % len(gaps)]
            out.writerow(row)


def main():
    if len(sys.argv) < 2 or sys.argv[2:] not in ([], ["--train"]):
        raise SystemExit(__doc__)
    wgrad, training = pathlib.Path(sys.argv[1]).resolve(), bool(sys.argv[2:])
    DIR.mkdir(exist_ok=True)
    if training:
        write_people()
    written = []
    for name, how, rows, option in cases():
        model = HERE / "model.safetensors" if how is None else DIR / f"{name}.safetensors"
        target = DIR / f"{name}.onnx"
        if training and how is not None:
            train(wgrad, name, how, model)
        run(wgrad, "export", model, target, *(["--rows", option] if option else []))
        outputs = check(target, rows)
        print(f"{name}: {target.stat().st_size} bytes, {', '.join(outputs)}")
        written.append({"name": name, "model": str(model.relative_to(HERE)), "onnx": str(target.relative_to(HERE)),
                        "rows_option": option, "rows": rows, "outputs": outputs})
    golden = {"onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__,
              "wgrad": onnx.load(target).producer_version, "cases": written,
              "arrays": {name: shortest(values) for name, values in ARRAYS.items()}}
    (DIR / "onnx.json").write_text(json.dumps(golden, allow_nan=False, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
