"""The UCI handwritten digits as three fixed, disjoint splits: what `specs/data/digits_*.npz` was made with.

Source: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998
(CC BY 4.0); the 1,797 images of its test part, as shipped inside scikit-learn.
"""

import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

SPLITS = {"train": (0, 997), "calibration": (997, 1397), "test": (1397, 1797)}
SEED = 20261120


def digits_splits() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """(x, y) of each split: x float32[N, 1, 8, 8] in {0, 1/16, ..., 1}, y int64[N].

    Pixels are multiples of 1/16, hence exact in every binary format.
    """
    digits = load_digits()
    order = np.random.Generator(np.random.PCG64(SEED)).permutation(len(digits.target))
    x = (digits.images[order] / 16).astype(np.float32)[:, None]
    y = digits.target[order].astype(np.int64)
    return {name: (x[start:stop], y[start:stop]) for name, (start, stop) in SPLITS.items()}


if __name__ == "__main__":
    for name, (x, y) in digits_splits().items():
        np.savez_compressed(Path(sys.argv[1]) / f"digits_{name}.npz", x=x, y=y)
