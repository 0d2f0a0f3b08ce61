#!/usr/bin/env python3
"""Runs the `wgrad` command beside scikit-learn on the same rows, and prints what both come to.

  preprocessing   tables with gaps, categories and numbers, prepared by scikit-learn and put through the model file's weights
                  by NumPy: the outputs must be those of `wgrad predict`
  metrics         scikit-learn's metrics of what `wgrad predict` says must be those that `wgrad eval --json` says
  iris            4-4-3, Adam 0.01, batches of 10, 100 epochs: ten stratified splits, ten seeds each, both on the same rows
  regression      make_regression(1000, 2, noise 0.1) of scikit-learn, MLPRegressor's settings, five splits

The first two must agree to within single precision; otherwise the exit status is 1. The other two are averages of many
random starts, which differ between the programs, and only printed.

Usage: beside_scikit_learn.py [--wgrad target/release/wgrad] [preprocessing] [metrics] [iris] [regression]
Needs numpy, scikit-learn and safetensors.
"""

import argparse
import csv
import json
import pathlib
import subprocess
import sys
import tempfile
import warnings

import numpy as np
from safetensors import safe_open
from sklearn import datasets, metrics, model_selection, preprocessing
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.neural_network import MLPClassifier, MLPRegressor

SPLITS, SEEDS = 10, 10
# Of numbers of order 1 that f32 has summed.
CLOSE = 2e-5


class Wgrad:
    def __init__(self, binary, folder):
        self.binary, self.folder = str(pathlib.Path(binary).resolve()), folder

    def __call__(self, *words):
        line = [self.binary, *map(str, words), "--json", "--quiet"]
        done = subprocess.run(line, cwd=self.folder, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{' '.join(line)}: {done.stderr.strip()}")
        return [json.loads(event) for event in done.stdout.splitlines()]

    def train(self, *words):
        return [event for event in self("train", *words, "--device", "cpu") if event["event"] == "summary"][0]

    def predict(self, rows):
        events = self("predict", "run/model.safetensors", rows, "--device", "cpu")
        return np.array([event.get("probabilities") or event.get("values") for event in events])

    def table(self, name, heading, rows):
        with open(self.folder / name, "w", newline="") as file:
            csv.writer(file).writerows([heading, *rows])


def report(what, off):
    fine = off <= CLOSE
    print(f"  {what:<52} largest difference {off:.1e}{'' if fine else '  MISSED'}")
    return fine


def people(rng, rows):
    """Numbers of different sizes, words, an order, gaps in each; the answer depends on all of them."""
    age, size = rng.normal(40, 12, rows).round(1), rng.exponential(3e4, rows).round()
    town, rank = rng.choice(["Ulm", "Jena", "Köln, Deutz", 'B"onn'], rows), rng.choice(["low", "mid", "high"], rows)
    score = (age - 40) / 12 + size / 3e4 + (town == "Ulm") + (rank == "high") + rng.normal(0, 0.5, rows)
    table = np.array([age, size, town, rank], dtype=object).T
    table[rng.random(table.shape) < 0.05] = ""
    return table, score


def prepared(table, scale, normalize):
    """What scikit-learn makes of such a table."""
    numbers = np.where(table[:, :2] == "", np.nan, table[:, :2]).astype(float)
    words = np.where(table[:, 2:] == "", np.nan, table[:, 2:]).astype(object)
    numbers = SimpleImputer(strategy="mean").fit_transform(numbers)
    words = SimpleImputer(strategy="most_frequent").fit_transform(words)
    town = preprocessing.OneHotEncoder(sparse_output=False).fit_transform(words[:, :1])
    rank = preprocessing.OrdinalEncoder(categories=[["low", "mid", "high"]]).fit_transform(words[:, 1:])
    scaler = {"standardize": preprocessing.StandardScaler, "min-max": preprocessing.MinMaxScaler}.get(scale)
    if scaler:
        numbers, rank = scaler().fit_transform(numbers), scaler().fit_transform(rank)
    x = np.hstack([numbers, town, rank])
    return preprocessing.Normalizer().fit_transform(x) if normalize else x


def outputs(path, x):
    """A hidden layer of tanh, and a linear one."""
    with safe_open(path, "numpy") as file:
        of = {name: file.get_tensor(name).astype(np.float64) for name in file.keys()}
    hidden = np.tanh(x @ of["layers.0.weight"].T + of["layers.0.bias"])
    return hidden @ of["layers.1.weight"].T + of["layers.1.bias"]


def check_preprocessing(wgrad):
    print("preprocessing: `wgrad predict` against scikit-learn's transformers and NumPy")
    table, score = people(np.random.default_rng(0), 400)
    wgrad.table("people.csv", ["age", "size", "town", "rank", "score"], [[*row, y] for row, y in zip(table, score)])
    fine = True
    for scale in ("standardize", "min-max", "none"):
        for normalize in (False, True):
            words = ["--preprocess", scale + (",normalize" if normalize else "")]
            for scaled in (False, True):
                more = ["--scale-target"] if scaled else []
                wgrad.train("people.csv", "--task", "regression", "--categorical", "town", "--ordinal", "rank=low:mid:high",
                            "--missing", "mean", "--test-fraction", 0, "--hidden", 8, "--activation", "tanh", "--epochs", 3,
                            "--optimizer", "sgd", "--lr", 0.01, "--clip-norm", 1, "--out", "run", *words, *more)
                wanted = outputs(wgrad.folder / "run/model.safetensors", prepared(table, scale, normalize))[:, 0]
                if scaled:
                    wanted = wanted * score.std() + score.mean()
                off = np.abs(wgrad.predict("people.csv")[:, 0] - wanted).max()
                fine &= report(" ".join(words + more), off)
    return fine


def check_metrics(wgrad):
    print("metrics: `wgrad eval` against scikit-learn on what `wgrad predict` says")
    fine = True
    for classes in (2, 5):
        x, y = datasets.make_classification(600, 8, n_informative=5, n_classes=classes, random_state=1)
        wgrad.table("rows.csv", [f"x{n}" for n in range(8)] + ["kind"], [[*row, f"k{kind}"] for row, kind in zip(x, y)])
        wgrad.train("rows.csv", "--test-fraction", 0, "--hidden", 8, "--epochs", 3, "--out", "run")
        told = wgrad("eval", "run/model.safetensors", "rows.csv", "--split", "all", "--top-k", 2, "--device", "cpu")[-1]
        p = wgrad.predict("rows.csv")
        guess = p.argmax(1)
        off = [abs(told["loss"] - metrics.log_loss(y, p)), abs(told["accuracy"] - metrics.accuracy_score(y, guess)),
               np.abs(np.array(told["confusion"]) - metrics.confusion_matrix(y, guess)).max()]
        for average in ("macro", "micro"):
            wanted = metrics.precision_recall_fscore_support(y, guess, average=average)
            off += [abs(told[average][name] - value) for name, value in zip(("precision", "recall", "f1"), wanted)]
        if classes == 2:
            off.append(abs(told["roc_auc"] - metrics.roc_auc_score(y, p[:, 1])))
        else:
            off.append(abs(told["top_k"]["accuracy"] - metrics.top_k_accuracy_score(y, p, k=2)))
        fine &= report(f"{classes} classes", max(off))
    x, y = datasets.make_regression(500, 6, n_targets=2, noise=5, random_state=1)
    wgrad.table("rows.csv", [f"x{n}" for n in range(6)] + ["a", "b"], [[*row, *answers] for row, answers in zip(x, y)])
    wgrad.train("rows.csv", "--target", "a,b", "--test-fraction", 0, "--scale-target", "--epochs", 20, "--out", "run")
    told = wgrad("eval", "run/model.safetensors", "rows.csv", "--split", "all", "--device", "cpu")[-1]
    p = wgrad.predict("rows.csv")
    wanted = [metrics.mean_absolute_error(y, p), metrics.root_mean_squared_error(y, p), metrics.r2_score(y, p)]
    off = max(abs(told[name] / value - 1) for name, value in zip(("mae", "rmse", "r2"), wanted))
    return fine & report("two values", off)


def spread(scores):
    return f"{np.mean(scores):.4f} (splits from {np.min(scores):.4f} to {np.max(scores):.4f})"


def compare_iris(wgrad):
    print(f"iris: mean test accuracy of {SPLITS} splits, {SEEDS} seeds each")
    x, y = datasets.load_iris(return_X_y=True)
    heading, ours, theirs = ["a", "b", "c", "d", "kind"], [], []
    for split in range(SPLITS):
        rows = model_selection.train_test_split(x, y, test_size=0.2, stratify=y, random_state=split)
        x_train, x_test, y_train, y_test = rows
        for name, part in (("train.csv", (x_train, y_train)), ("test.csv", (x_test, y_test))):
            wgrad.table(name, heading, [[*row, f"k{kind}"] for row, kind in zip(*part)])
        ours.append(wgrad.train("train.csv", "--test", "test.csv", "--hidden", 4, "--lr", 0.01, "--batch", 10,
                                "--epochs", 100, "--replicas", SEEDS)["test_accuracy"])
        scaler = preprocessing.StandardScaler().fit(x_train)
        accuracies = []
        for seed in range(SEEDS):
            model = MLPClassifier(hidden_layer_sizes=(4,), learning_rate_init=0.01, batch_size=10, max_iter=100, alpha=0,
                                  n_iter_no_change=1000, random_state=seed)
            model.fit(scaler.transform(x_train), y_train)
            accuracies.append(model.score(scaler.transform(x_test), y_test))
        theirs.append(np.mean(accuracies))
    print(f"  wgrad         {spread(ours)}\n  scikit-learn  {spread(theirs)}")
    return True


def compare_regression(wgrad):
    print("regression: R2 of the test part, five splits")
    x, y = datasets.make_regression(1000, 2, noise=0.1, random_state=0)
    ours, theirs = [], []
    for split in range(5):
        x_train, x_test, y_train, y_test = model_selection.train_test_split(x, y, random_state=split)
        for name, part in (("train.csv", (x_train, y_train)), ("test.csv", (x_test, y_test))):
            wgrad.table(name, ["a", "b", "y"], [[*row, answer] for row, answer in zip(*part)])
        # alpha 1e-4 counts per sample, over twice the batch of 200.
        told = wgrad.train("train.csv", "--test", "test.csv", "--preprocess", "none", "--hidden", 10, "--weights",
                           "glorot-uniform", "--batch", 200, "--weight-decay", 5e-7, "--no-decay-biases", "--epochs", 1000,
                           "--patience", 11, "--monitor", "train-loss", "--min-delta", 2e-4, "--improve-on", "best",
                           "--seed", split, "--out", "run")
        assert told["task"] == "regression", told
        ours.append(wgrad("eval", "run/model.safetensors", "test.csv", "--device", "cpu")[-1]["r2"])
        model = MLPRegressor(hidden_layer_sizes=(10,), max_iter=1000, random_state=split).fit(x_train, y_train)
        theirs.append(model.score(x_test, y_test))
    print(f"  wgrad         {spread(ours)}\n  scikit-learn  {spread(theirs)}")
    return True


def main():
    parts = {"preprocessing": check_preprocessing, "metrics": check_metrics, "iris": compare_iris,
             "regression": compare_regression}
    parser = argparse.ArgumentParser()
    parser.add_argument("--wgrad", default="target/release/wgrad")
    parser.add_argument("parts", nargs="*", choices=[[], *parts])
    asked = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    with tempfile.TemporaryDirectory() as folder:
        wgrad = Wgrad(asked.wgrad, pathlib.Path(folder))
        passed = [parts[name](wgrad) for name in asked.parts or parts]
    sys.exit(0 if all(passed) else 1)


if __name__ == "__main__":
    main()
