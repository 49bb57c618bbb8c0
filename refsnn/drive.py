"""What enters the network at each step."""

import hashlib
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from refsnn.arithmetic import finite
from refsnn.errors import FormatError, NothingCompared, ShapeError, SpecError
from refsnn.offers import offer

Array = np.ndarray[Any, Any]
LARGEST_MEAN = 500  # of Poisson: exp(-500) is a normal float64 still


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

    Draws are keyed by (seed, step, sample): a sample gets the same spikes whatever runs beside it and however long.
    """

    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if ((self.x < 0) | (self.x > 1)).any():
            index = [int(i) for i in np.argwhere((self.x < 0) | (self.x > 1))[0]]
            raise FormatError(f"input x: {self.x[tuple(index)]} at index {index} is no probability; scale x to 0..1")
        _check_seed(self.seed)

    @property
    def spiking(self) -> bool:
        return True

    @property
    def digest(self) -> str:
        return _digest(f"Bernoulli {self.seed}", self.x)

    def inputs(self, steps: int, samples: slice) -> Array:
        return _uniform(self.seed, steps, range(self.n_samples)[samples], self.sample_shape) < self.x[samples]


@dataclass(frozen=True, eq=False)
class Poisson(_PerSample):
    """Spikes at every step whose number is Poisson distributed with mean x[N, ...], 0 to 500; draws are keyed as Bernoulli's.

    The number is the smallest k whose cumulative probability exceeds the draw, sums in ascending order in float64. exp(-x) is
    the machine's: its last place, and with it a draw that falls into that gap, may differ between machines.
    """

    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if ((self.x < 0) | (self.x > LARGEST_MEAN)).any():
            index = [int(i) for i in np.argwhere((self.x < 0) | (self.x > LARGEST_MEAN))[0]]
            raise FormatError(
                f"input x: {self.x[tuple(index)]} at index {index} is no mean number of spikes; scale x to 0..{LARGEST_MEAN}"
            )
        _check_seed(self.seed)

    @property
    def spiking(self) -> bool:
        return True

    @property
    def digest(self) -> str:
        return _digest(f"Poisson {self.seed}", self.x)

    def inputs(self, steps: int, samples: slice) -> Array:
        drawn = _uniform(self.seed, steps, range(self.n_samples)[samples], self.sample_shape)
        mean = self.x[samples].astype(np.float64)
        counts = np.zeros(drawn.shape, np.int64)
        term = total = np.exp(-mean)
        while True:
            more = drawn >= total
            if not more.any() or not (term > 0).any():
                return counts
            counts += more
            # a term of 0 is past the last place of the sum: nothing more to come
            term = term * mean / (counts.max() or 1)
            total = total + term


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


offer(Drive, Constant, Frames, Bernoulli, Poisson, EventList)


def _check_seed(seed: int) -> None:
    if not 0 <= seed < 2**64:
        raise SpecError(f"seed: {seed!r} is not a whole number from 0 to 2^64 - 1")


def _uniform(seed: int, steps: int, samples: range, shape: tuple[int, ...]) -> Array:
    """float64[T, N, *shape] in 0..1, keyed by (seed, step, sample).

    They are the raw 64-bit words of NumPy's Philox generator with key `seed` and counter (0, 0, step, sample), of which 53
    bits are taken: exact, so that a comparison is the same everywhere.
    """
    draws = np.empty((steps, len(samples), *shape), np.uint64)
    for t in range(steps):
        for row, n in enumerate(samples):
            words = np.random.Philox(key=seed, counter=[0, 0, t, n]).random_raw(draws[t, row].size)
            draws[t, row] = np.reshape(words, shape)
    return (draws >> np.uint64(11)) * 2.0**-53


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
