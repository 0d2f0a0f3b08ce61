#!/usr/bin/env python3
"""Writes metrics.json: scikit-learn's metrics of made-up outputs.

A model of one linear layer whose weight is the identity gives its inputs as outputs, so that `outputs` are the features
of the test's dataset.

Schema of metrics.json: scikit_learn (version), and of each of
  multiclass   outputs (N, 5), labels (N); class 3 never occurs, class 4 is never predicted
  two          outputs (N, 2), labels (N): the score is the difference
  binary       outputs (N, 1), labels (N): logits with many ties
  regression   outputs (N, 3), values (N, 3); one output far from zero, one that does not vary
the outputs, targets, and what scikit-learn makes of them: confusion, top_k (k = 1 to C), per_class {precision, recall, f1,
support}, macro and micro {precision, recall, f1}, accuracy, roc_auc; mae, rmse, r2, and these per output.

Usage: make_metrics.py [output path]
"""

import json
import pathlib
import random
import sys

import numpy as np
import sklearn
from sklearn import metrics

import make_training as base


def classification(outputs, labels):
    outputs, labels = np.array(outputs), np.array(labels)
    classes = max(outputs.shape[1], 2)
    predicted = outputs.argmax(1) if outputs.shape[1] > 1 else (outputs[:, 0] > 0).astype(int)
    every = list(range(classes))
    scores = {}
    for name, average, chosen in [("per_class", None, every), ("macro", "macro", None), ("micro", "micro", None)]:
        precision, recall, f1, support = metrics.precision_recall_fscore_support(
            labels, predicted, labels=chosen, average=average, zero_division=0)
        scores[name] = {"precision": precision, "recall": recall, "f1": f1}
        if average is None:
            scores[name]["support"] = support
    if classes > 2:
        top = [metrics.top_k_accuracy_score(labels, outputs, k=k, labels=every) for k in range(1, classes)] + [1.0]
    else:
        top = [metrics.accuracy_score(labels, predicted), 1.0]
        score = outputs[:, 1] - outputs[:, 0] if outputs.shape[1] == 2 else outputs[:, 0]
        scores["roc_auc"] = metrics.roc_auc_score(labels, score)
    return {"outputs": outputs, "labels": labels, "confusion": metrics.confusion_matrix(labels, predicted, labels=every),
            "top_k": top, "accuracy": metrics.accuracy_score(labels, predicted)} | scores


def regression(outputs, values):
    each = {"multioutput": "raw_values"}
    return {"outputs": outputs, "values": values,
            "mae": metrics.mean_absolute_error(values, outputs),
            "rmse": metrics.root_mean_squared_error(values, outputs),
            "r2": metrics.r2_score(values, outputs),
            "per_output": {"mae": metrics.mean_absolute_error(values, outputs, **each),
                           "rmse": metrics.root_mean_squared_error(values, outputs, **each),
                           "r2": metrics.r2_score(values, outputs, **each)}}


def plain(value):
    if isinstance(value, dict):
        return {key: plain(own) for key, own in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(own) for own in value]
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def main():
    path = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).with_name("metrics.json")
    rng = random.Random(3)
    rows = 150
    labels = [rng.choice([0, 1, 1, 2, 4]) for _ in range(rows)]
    several = [[base.grid(rng, -1, 1) + (0.4 if o == label else 0) - (9 if o == 4 else 0) + o / 65536 for o in range(5)]
               for label in labels]
    pairs = [int(rng.random() < 0.4) for _ in range(rows)]
    two = [[base.grid(rng, -1, 1), base.grid(rng, -1, 1) + 0.5 * pair] for pair in pairs]
    single = [[round(2 * base.grid(rng, -1, 1) + pair) / 2] for pair in pairs]
    values = [[base.grid(rng, -2, 2), 1000 + base.grid(rng, -1, 1), 0.5] for _ in range(rows)]
    near = [[v + base.grid(rng, -0.5, 0.5) for v in row] for row in values]
    golden = {"scikit_learn": sklearn.__version__, "multiclass": classification(several, labels),
              "two": classification(two, pairs), "binary": classification(single, pairs),
              "regression": regression(near, values)}
    path.write_text(base.text(plain(golden)) + "\n")
    print(json.dumps({k: {n: m for n, m in v.items() if n not in ("outputs", "labels", "values")}
                      for k, v in plain(golden).items() if isinstance(v, dict)}, indent=1)[:3000])


if __name__ == "__main__":
    main()
