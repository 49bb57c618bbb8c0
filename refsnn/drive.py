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

    def inputs(self, steps: int, samples: slice) -> Array:  # noqa: ARG002, the protocol gives it
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
    drive: Drive = Constant(np.asarray(x)) if isinstance(x, np.ndarray | list | tuple) else x
    values = drive.x if isinstance(drive, Constant | Frames) else None
    if values is not None:
        lead = 2 if isinstance(drive, Frames) else 1
        if values.dtype.kind not in "fiub" or values.ndim < lead or values.shape[lead:] != shape:
            raise ShapeError(
                f"input x: the network takes {values.dtype} numbers" if values.dtype.kind not in "fiub"
                else f"input x: samples have shape {list(values.shape[lead:])}, the network takes {list(shape)}"
            )  # fmt: skip
    if drive.n_samples == 0:
        raise NothingCompared("input x: no samples; give at least one")
    return drive
