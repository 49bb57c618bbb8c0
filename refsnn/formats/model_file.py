"""What a model file held: plain arrays and plain data, whatever wrote them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any

import numpy as np

from refsnn.formats.limits import Limits

Array = np.ndarray[Any, Any]
Tensors = dict[str, Array]


class Format(Enum):
    """Formats that are told apart by their content; the value is what messages call them."""

    NPZ = "npz"
    NPY = "npy"
    SAFETENSORS = "safetensors"
    TORCH = "PyTorch (zip)"
    TORCH_LEGACY = "PyTorch (legacy stream)"
    ONNX = "ONNX"
    NIR = "NIR"
    LAVA = "lava .net"
    KERAS_H5 = "Keras .h5"
    KERAS = "Keras .keras"
    KERAS_WEIGHTS = "Keras .weights.h5"
    HDF5 = "HDF5"  # before its groups were seen
    FLAX = "Flax msgpack"
    MAT5 = "MATLAB .mat v5"


@dataclass(frozen=True)
class Source:
    """Bytes to be read: all of the file, and how far to trust it. `content` is never copied without need."""

    path: str
    content: memoryview
    limits: Limits


@dataclass(frozen=True)
class Note:
    """Something about a tensor that a user should know: it was passed over, or its numbers were changed in kind."""

    name: str
    text: str
    ignored: bool  # False: read, but not as it stands (bfloat16 raised to float32)


@dataclass(frozen=True, eq=False)
class ModelFile:
    """A file's arrays by name, as they are stored; and, of formats that have one, its graph as plain data."""

    path: str
    format: Format
    tensors: Tensors  # read-only views of the file's bytes where that is possible
    attributes: Mapping[str, Any] = field(
        default_factory=lambda: MappingProxyType({})
    )  # plain values beside the tensors
    notes: tuple[Note, ...] = ()
    graph: Any = None  # of ONNX, NIR and Keras files: what their own reader makes of it
