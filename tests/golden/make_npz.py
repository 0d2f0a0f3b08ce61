"""Writes stored.npz and packed.npz: the same arrays by numpy.savez and numpy.savez_compressed.

    python tests/golden/make_npz.py
"""
import pathlib
import numpy as np

here = pathlib.Path(__file__).parent
x = (np.arange(24, dtype=np.float64) / 4 - 2).reshape(8, 3)
arrays = {
    "x_train": x[:6],
    "y_train": np.array([3, 7, 3, 7, 7, 3], dtype=np.int64),
    "x_test": x[6:],
    "y_test": np.array([7, 3], dtype=np.int64),
    "pixels": np.arange(12, dtype=np.uint8).reshape(6, 2),
    "words": np.array(["no", "yes", "no", "yes", "no", "ünsure"]),
    "prices": np.array([0.5, 1, 1.5, 2, 2.5, 3], dtype=np.float32),
    "flags": np.array([True, False, True, False, True, True]),
}
np.savez(here / "stored.npz", **arrays)
np.savez_compressed(here / "packed.npz", **arrays)
