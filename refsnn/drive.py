"""What enters the network at each step."""

import hashlib
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from refsnn.arithmetic import finite
from refsnn.errors import FormatError, NothingCompared, ShapeError, SpecError

Array = np.ndarray[Any, Any]


@runtime_checkable
class Drive(Protocol):
    """A recipe for the input of every step."""

    @property
    def n_samples(self) -> int: ...

    @property
    def sample_shape(self) -> tuple[int, ...]: ...

    @property
    def spiking(self) -> bool:
        """Whether the values count events, which cause accumulates; otherwise they are real and cost multiplications."""
        ...

    @property
    def digest(self) -> str:
        """sha256 of what is given."""
        ...

    def inputs(self, steps: int, samples: slice) -> Array:
        """[S, N, *sample_shape] for these samples; S is `steps`, or 1 when every step has the same input."""
        ...


@dataclass(frozen=True, eq=False)
class _PerSample:
    """What drives have that are made from one array of numbers per sample: x[N, ...]."""

    x: Array

    def __post_init__(self) -> None:
        _numbers(self.x)

    @property
    def n_samples(self) -> int:
        return len(self.x)

    @property
    def sample_shape(self) -> tuple[int, ...]:
        return self.x.shape[1:]


@dataclass(frozen=True, eq=False)
class Constant(_PerSample):
    """The same real-valued input at every step (direct coding): x[N, ...]."""

    @property
    def spiking(self) -> bool:
        return False

    @property
    def digest(self) -> str:
        return _digest("Constant", self.x)

    def inputs(self, steps: int, samples: slice) -> Array:
        return self.x[None, samples]


@dataclass(frozen=True, eq=False)
class Frames:
    """A real-valued input of its own for each step: x[T, N, ...]; a shorter run uses its beginning."""

    x: Array

    def __post_init__(self) -> None:
        _numbers(self.x)

    @property
    def n_samples(self) -> int:
        return int(self.x.shape[1])

    @property
    def sample_shape(self) -> tuple[int, ...]:
        return self.x.shape[2:]

    @property
    def spiking(self) -> bool:
        return False

    @property
    def digest(self) -> str:
        return _digest("Frames", self.x)

    def inputs(self, steps: int, samples: slice) -> Array:
        if steps > len(self.x):
            raise ShapeError(f"the drive has {len(self.x)} frames, the run asks for {steps} steps; ask for fewer")
        return self.x[:steps, samples]


@dataclass(frozen=True, eq=False)
class Bernoulli(_PerSample):
    """A spike with probability x[N, ...], 0..1, at every step (rate coding; the field often calls it Poisson coding).

    Draws are keyed by (seed, step, sample): a sample gets the same spikes whatever runs beside it and however long. They
    are the raw 64-bit words of NumPy's Philox generator with key `seed` and counter (0, 0, step, sample).
    """

    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if ((self.x < 0) | (self.x > 1)).any():
            index = [int(i) for i in np.argwhere((self.x < 0) | (self.x > 1))[0]]
            raise FormatError(f"input x: {self.x[tuple(index)]} at index {index} is no probability; scale x to 0..1")
        if not 0 <= self.seed < 2**64:
            raise SpecError(f"seed: {self.seed!r} is not a whole number from 0 to 2^64 - 1")

    @property
    def spiking(self) -> bool:
        return True

    @property
    def digest(self) -> str:
        return _digest(f"Bernoulli {self.seed}", self.x)

    def inputs(self, steps: int, samples: slice) -> Array:
        chosen = range(self.n_samples)[samples]
        draws = np.empty((steps, len(chosen), *self.sample_shape), np.uint64)
        for t in range(steps):
            for row, n in enumerate(chosen):
                words = np.random.Philox(key=self.seed, counter=[0, 0, t, n]).random_raw(draws[t, row].size)
                draws[t, row] = np.reshape(words, self.sample_shape)
        # 53 bits of a word as a number in 0..1: exact, so that the comparison is the same everywhere
        return (draws >> np.uint64(11)) * 2.0**-53 < self.x[samples]


@dataclass(frozen=True, eq=False)
class EventList:
    """Single events, as an event camera gives them: event i arrives at step `step[i]` (from 0) of sample `sample[i]` at
    position `index[i]` of the flattened input. Events that coincide add up.
    """

    step: Array
    sample: Array
    index: Array
    samples: int
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        size = int(np.prod(self.shape))
        for name, values, limit in (
            ("step", self.step, None),
            ("sample", self.sample, self.samples),
            ("index", self.index, size),
        ):
            if values.dtype.kind not in "iu" or values.shape != self.step.shape or values.ndim != 1:
                raise ShapeError(
                    f"events: {name} has shape {list(values.shape)}, {values.dtype}; expected a whole number for each event"
                )
            outside = (values < 0) | (values >= (limit if limit is not None else np.iinfo(np.int64).max))
            if outside.any():
                event = int(np.argmax(outside))
                bound = "0 or more" if limit is None else f"in 0..{limit - 1}"
                raise ShapeError(f"events: {name} of event {event} is {values[event]}, expected {bound}")

    @property
    def n_samples(self) -> int:
        return self.samples

    @property
    def sample_shape(self) -> tuple[int, ...]:
        return self.shape

    @property
    def spiking(self) -> bool:
        return True

    @property
    def digest(self) -> str:
        events = np.stack([a.astype(np.int64) for a in (self.step, self.sample, self.index)])
        return _digest(f"EventList {self.samples} {list(self.shape)}", events)

    def inputs(self, steps: int, samples: slice) -> Array:
        chosen = range(self.n_samples)[samples]
        here = (self.sample >= chosen.start) & (self.sample < chosen.stop) & (self.step < steps)
        counts = np.zeros((steps, len(chosen), int(np.prod(self.shape))), np.int64)
        np.add.at(counts, (self.step[here], self.sample[here] - chosen.start, self.index[here]), 1)
        return counts.reshape(steps, len(chosen), *self.shape)


def as_drive(x: Any, shape: tuple[int, ...]) -> Drive:
    """A drive as it is, an array [N, *shape] as constant current; checked against the network's input shape."""
    drive = Constant(_numbers(np.asarray(x))) if isinstance(x, np.ndarray | list | tuple) else x
    if not isinstance(drive, Drive):
        raise ShapeError(f"input x: expected an array or a drive, got {type(x).__name__}")
    if drive.sample_shape != shape:
        raise ShapeError(f"input x: samples have shape {list(drive.sample_shape)}, the network takes {list(shape)}")
    if drive.n_samples == 0:
        raise NothingCompared("input x: no samples; give at least one")
    return drive


def _numbers(x: Array) -> Array:
    if x.dtype.kind not in "fiub":
        raise ShapeError(f"input x: expected numbers, got {x.dtype}")
    return finite("input x", x)


def _digest(kind: str, x: Array) -> str:
    little = np.ascontiguousarray(x, x.dtype.newbyteorder("<"))
    head = f"{kind} {little.dtype.str} {list(little.shape)}\n"
    return hashlib.sha256(head.encode() + little.tobytes()).hexdigest()
