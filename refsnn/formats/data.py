"""DATA files: an npz with `x` (samples first) and, where needed, `y`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from refsnn.arithmetic import finite
from refsnn.errors import FormatError, NothingCompared, ShapeError, did_you_mean
from refsnn.formats.opening import open_model

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Data:
    """Samples and, if the file has them, labels."""

    path: str
    x: Array  # [N, ...]
    y: Array | None  # int[N]

    @property
    def labels(self) -> Array:
        """The labels; a FormatError when the file has none."""
        if self.y is None:
            raise FormatError(f"{self.path}: has no array 'y' with a label per sample, which this needs; add it")
        return self.y


def load_data(path: str | Path, limit: int | None = None) -> Data:
    """The samples and labels of an npz (or safetensors) file; the first `limit` of them."""
    tensors = open_model(path).tensors
    if "x" not in tensors:
        raise FormatError(f"{path}: has no array 'x' with the samples{did_you_mean('x', list(tensors) or ['nothing'])}")
    x, y = tensors["x"], tensors.get("y")
    if x.dtype.kind not in "fiub" or not x.ndim:
        raise FormatError(
            f"{path}: x is a {x.ndim}-dimensional array of {x.dtype}, expected numbers with samples first"
        )
    if not len(x):
        raise NothingCompared(f"{path}: x has no samples; give at least one")
    if y is not None and (y.shape != x.shape[:1] or y.dtype.kind not in "iu"):
        raise ShapeError(
            f"{path}: y has shape {list(y.shape)} and dtype {y.dtype}, expected {len(x)} whole numbers, one per sample"
        )
    finite(f"{path}: x", x)
    return Data(str(path), x[:limit], None if y is None else y[:limit].astype(np.int64))
