"""What enters the network at each step."""

import hashlib
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from refsnn.arithmetic import finite
from refsnn.errors import NothingCompared, ShapeError

Array = np.ndarray[Any, Any]


class Drive(Protocol):
    """A recipe for the input of every step."""

    @property
    def n_samples(self) -> int: ...

    @property
    def digest(self) -> str:
        """sha256 of what is given."""
        ...

    def inputs(self, steps: int, samples: slice) -> Array:
        """float[S, N, ...] for these samples; S is `steps`, or 1 when every step has the same input."""
        ...


@dataclass(frozen=True, eq=False)
class Constant:
    """The same real-valued input at every step (direct coding): x[N, ...]."""

    x: Array

    def __post_init__(self) -> None:
        finite("input x", self.x)

    @property
    def n_samples(self) -> int:
        return len(self.x)

    @property
    def digest(self) -> str:
        return _digest(type(self).__name__, self.x)

    def inputs(self, steps: int, samples: slice) -> Array:
        return self.x[None, samples]


@dataclass(frozen=True, eq=False)
class Frames:
    """An input of its own for each step: x[T, N, ...]; a shorter run uses its beginning."""

    x: Array

    def __post_init__(self) -> None:
        finite("input x", self.x)

    @property
    def n_samples(self) -> int:
        return int(self.x.shape[1])

    @property
    def digest(self) -> str:
        return _digest(type(self).__name__, self.x)

    def inputs(self, steps: int, samples: slice) -> Array:
        if steps > len(self.x):
            raise ShapeError(f"the drive has {len(self.x)} frames, the run asks for {steps} steps; ask for fewer")
        return self.x[:steps, samples]


def _digest(kind: str, x: Array) -> str:
    little = np.ascontiguousarray(x, x.dtype.newbyteorder("<"))
    head = f"{kind} {little.dtype.str} {list(little.shape)}\n"
    return hashlib.sha256(head.encode() + little.tobytes()).hexdigest()


def as_drive(x: Any, shape: tuple[int, ...]) -> Drive:
    """A drive as it is, an array [N, *shape] as constant current; checked against the network's input shape."""
    drive: Any = Constant(_numbers(x)) if isinstance(x, np.ndarray | list | tuple) else x
    if not hasattr(drive, "inputs"):
        raise ShapeError(f"input x: expected an array or a drive, got {type(x).__name__}")
    if isinstance(drive, Constant | Frames):
        found = _numbers(drive.x).shape[2 if isinstance(drive, Frames) else 1 :]
        if found != shape:
            raise ShapeError(f"input x: samples have shape {list(found)}, the network takes {list(shape)}")
    if drive.n_samples == 0:
        raise NothingCompared("input x: no samples; give at least one")
    return drive


def _numbers(x: Any) -> Array:
    values = np.asarray(x)
    if values.dtype.kind not in "fiub":
        raise ShapeError(f"input x: expected numbers, got {values.dtype}")
    return values
